{{/* What the schema of the values cannot say. */}}

{{- define "shimmer.check" -}}
{{- include "shimmer.checkShims" . }}
{{- if .Values.preflight }}
{{- include "shimmer.checkNamespace" . }}
{{- include "shimmer.checkClasses" . }}
{{- include "shimmer.checkPrefix" . }}
{{- end }}
{{- end }}

{{- define "shimmer.checkShims" -}}
{{- $seen := dict }}
{{- range .Values.shims }}
{{- $shim := include "shimmer.shim" . | fromYaml }}
{{- if has $shim.handler (list "runc" "crun") }}
{{- fail (printf "shims: the handler %s is that of native containers: give %s another one" $shim.handler .name) }}
{{- end }}
{{- range $key := list "name" "handler" "runtimeClassName" }}
{{- $value := get $shim $key }}
{{- if hasKey $seen (printf "%s %s" $key $value) }}
{{- fail (printf "shims: two have the %s %s: give one of them another %s, or leave it out" $key $value $key) }}
{{- end }}
{{- $_ := set $seen (printf "%s %s" $key $value) true }}
{{- end }}
{{- end }}
{{- end }}

{{/* A cluster is asked where there is one; `helm template` finds none, and nothing is found wrong then. */}}
{{- define "shimmer.checkNamespace" -}}
{{- $namespace := lookup "v1" "Namespace" "" .Release.Namespace | default dict }}
{{- $level := dig "metadata" "labels" "pod-security.kubernetes.io/enforce" "privileged" $namespace }}
{{- if ne $level "privileged" }}
{{- fail (printf "the namespace %s enforces the pod security level %s, and the node agent is privileged, since it writes to the node: use a namespace of its own, and run `kubectl label --overwrite namespace %s pod-security.kubernetes.io/enforce=privileged`" .Release.Namespace $level .Release.Namespace) }}
{{- end }}
{{- end }}

{{/* Otherwise an upgrade would fail when the nodes have got the other handler already. */}}
{{- define "shimmer.checkClasses" -}}
{{- range .Values.shims }}
{{- $shim := include "shimmer.shim" . | fromYaml }}
{{- $class := lookup "node.k8s.io/v1" "RuntimeClass" "" $shim.runtimeClassName | default dict }}
{{- $handler := get $class "handler" | default $shim.handler }}
{{- if ne $handler $shim.handler }}
{{- fail (printf "shims: the RuntimeClass %s has the handler %s, which Kubernetes does not let change to %s: give another runtimeClassName, or delete the class when no pod uses it" $shim.runtimeClassName $handler $shim.handler) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What was installed below another folder would be forgotten there. */}}
{{- define "shimmer.checkPrefix" -}}
{{- $daemonset := lookup "apps/v1" "DaemonSet" .Release.Namespace (include "shimmer.fullname" .) | default dict }}
{{- range dig "spec" "template" "spec" "initContainers" list $daemonset }}
{{- range .args }}
{{- if and (hasPrefix "--prefix=" .) (ne . (printf "--prefix=%s" $.Values.prefix)) }}
{{- fail (printf "prefix: the nodes have their shims below %s: uninstall the release before it gets another folder" (trimPrefix "--prefix=" .)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the schema of the values cannot say. */}}

{{- define "shimmer.check" -}}
{{- include "shimmer.checkShims" . }}
{{- include "shimmer.checkNamespace" . }}
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

{{/* The namespace is asked for only where there is a cluster; `helm template` finds none. */}}
{{- define "shimmer.checkNamespace" -}}
{{- if .Values.podSecurity.check }}
{{- $namespace := lookup "v1" "Namespace" "" .Release.Namespace | default dict }}
{{- $level := dig "metadata" "labels" "pod-security.kubernetes.io/enforce" "privileged" $namespace }}
{{- if ne $level "privileged" }}
{{- fail (printf "the namespace %s enforces the pod security level %s, and the node agent is privileged, since it writes to the node: use a namespace of its own, and run `kubectl label --overwrite namespace %s pod-security.kubernetes.io/enforce=privileged`" .Release.Namespace $level .Release.Namespace) }}
{{- end }}
{{- end }}
{{- end }}

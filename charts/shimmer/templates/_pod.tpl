{{/* What the pods that work on a node have in common: those of the DaemonSet, and those that undo it. */}}

{{/* Options of the installer that say what a node is, for installing and for undoing. */}}
{{- define "shimmer.nodeArguments" -}}
- --host-root=/host
- --node=$(NODE_NAME)
- --distribution={{ .Values.distribution }}
{{- with .Values.containerd.config }}
- --config={{ . }}
{{- end }}
{{- with .Values.containerd.socket }}
- --socket={{ . }}
{{- end }}
- --restart={{ .Values.containerd.restart }}
- --prefix={{ .Values.prefix }}
- --timeout={{ .Values.timeout | int }}
{{- end }}

{{/* The one container that may do everything. It has the node's files, and alone the token for the API server. */}}
{{- define "shimmer.nodeContainer" -}}
image: {{ include "shimmer.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: NODE_NAME
    valueFrom:
      fieldRef:
        fieldPath: spec.nodeName
securityContext:
  privileged: true
  readOnlyRootFilesystem: true
  runAsUser: 0
  runAsGroup: 0
terminationMessagePolicy: FallbackToLogsOnError
resources:
  {{- toYaml .Values.resources.install | nindent 2 }}
volumeMounts:
  - name: host
    mountPath: /host
    mountPropagation: HostToContainer
  - name: token
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
{{- end }}

{{- define "shimmer.nodeVolumes" -}}
- name: host
  hostPath:
    path: {{ .Values.hostRoot }}
    type: Directory
- name: token
  projected:
    # 0400
    defaultMode: 256
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}

{{/* Every pod of the chart. */}}
{{- define "shimmer.anyPod" -}}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A container that needs no right at all: the restricted level. */}}
{{- define "shimmer.restricted" -}}
allowPrivilegeEscalation: false
capabilities:
  drop:
    - ALL
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Linux of the given architectures, over and above what the values ask for: added to each term, since one of them is enough. */}}
{{- define "shimmer.affinity" -}}
{{- $affinity := deepCopy .Values.affinity }}
{{- $node := get $affinity "nodeAffinity" | default dict }}
{{- $required := get $node "requiredDuringSchedulingIgnoredDuringExecution" | default dict }}
{{- $architecture := dict "key" "kubernetes.io/arch" "operator" "In" "values" .Values.architectures }}
{{- $terms := list }}
{{- range get $required "nodeSelectorTerms" | default (list dict) }}
{{- $expressions := append (get . "matchExpressions" | default list) $architecture }}
{{- $terms = append $terms (set . "matchExpressions" $expressions) }}
{{- end }}
{{- $_ := set $required "nodeSelectorTerms" $terms }}
{{- $_ := set $node "requiredDuringSchedulingIgnoredDuringExecution" $required }}
{{- $_ := set $affinity "nodeAffinity" $node }}
{{- toYaml $affinity }}
{{- end }}

{{/* Where a class's pods may go, its shim must be: the node agent tolerates what they tolerate. */}}
{{- define "shimmer.tolerations" -}}
{{- $all := .Values.tolerations }}
{{- range .Values.shims }}
{{- $all = concat $all (.tolerations | default list) }}
{{- end }}
{{- with uniq $all }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "shimmer.nodeSelector" -}}
{{- toYaml (mustMerge (dict "kubernetes.io/os" "linux") .Values.nodeSelector) }}
{{- end }}

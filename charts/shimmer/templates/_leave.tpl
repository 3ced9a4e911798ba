{{/* The Pod that undoes one node. The job fills in its node, makes a name of this one for it, and adds --check or --force. */}}
{{- define "shimmer.leavePod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "shimmer.fullname" . }}
  namespace: {{ .Release.Namespace }}
  {{- include "shimmer.podMetadata" (dict "root" . "component" "leave") | nindent 2 }}
spec:
  serviceAccountName: {{ include "shimmer.fullname" . }}
  {{- include "shimmer.anyPod" . | nindent 2 }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  hostPID: true
  restartPolicy: Never
  terminationGracePeriodSeconds: {{ add (mul 2 (.Values.timeout | int)) 60 }}
  # A node that was tainted meanwhile is undone as well.
  tolerations:
    - operator: Exists
  containers:
    - name: leave
      args:
        - leave
        {{- include "shimmer.nodeArguments" . | nindent 8 }}
      {{- include "shimmer.nodeContainer" . | nindent 6 }}
  volumes:
    {{- include "shimmer.nodeVolumes" . | nindent 4 }}
{{- end }}

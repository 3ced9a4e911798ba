{{/* What things are called, and their labels. */}}

{{- define "shimmer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for what is put behind it: a Job's name is a label of its pods, which has 63 characters. */}}
{{- define "shimmer.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride }}
{{- else if contains (include "shimmer.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "shimmer.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "shimmer.retire" -}}
{{ include "shimmer.fullname" . }}-retire
{{- end }}

{{/* The Leases that are the turns by which nodes are worked on, as the installer names them: the first `count` of `root`'s. */}}
{{- define "shimmer.leases" -}}
{{- $names := list }}
{{- range until (int .count) }}
{{- $names = append $names (printf "%s-%d" (include "shimmer.fullname" $.root) .) }}
{{- end }}
{{- toYaml $names }}
{{- end }}

{{- define "shimmer.image" -}}
{{- with .Values.image }}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- define "shimmer.selectorLabels" -}}
app.kubernetes.io/name: {{ include "shimmer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels and annotations of an object: of `root`, with its `component` and its own `annotations`, if it has them. Ours win. */}}
{{- define "shimmer.metadata" -}}
{{- $labels := include "shimmer.selectorLabels" .root | fromYaml }}
{{- with .component }}
{{- $_ := set $labels "app.kubernetes.io/component" . }}
{{- end }}
{{- $_ := set $labels "app.kubernetes.io/version" .root.Chart.AppVersion }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
labels:
  {{- toYaml (mustMerge $labels .root.Values.commonLabels) | nindent 2 }}
{{- with mustMerge (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The same of a pod in a template, which must not change with the chart's version: that alone is no reason to start it anew. */}}
{{- define "shimmer.podMetadata" -}}
{{- $labels := include "shimmer.selectorLabels" .root | fromYaml }}
{{- $_ := set $labels "app.kubernetes.io/component" .component -}}
labels:
  {{- toYaml (mustMerge $labels .root.Values.podLabels .root.Values.commonLabels) | nindent 2 }}
{{- with mustMerge (.annotations | default dict) .root.Values.podAnnotations .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A shim's values with what is left out: the handler is the name, and the class is called like the handler. */}}
{{- define "shimmer.shim" -}}
{{- $handler := .handler | default .name -}}
name: {{ .name }}
handler: {{ $handler }}
runtimeClassName: {{ .runtimeClassName | default $handler }}
label: shimmer.dev/{{ $handler }}
{{- end }}

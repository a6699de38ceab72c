{{/* Names, labels, and what every pod has. */}}

{{- define "ops.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end -}}
{{- end }}

{{/* What the network policies select by: Dagster's launcher gives its pods the other labels anew. */}}
{{- define "ops.selector" -}}
ops-pipelines/release: {{ .Release.Name }}
{{- end }}

{{- define "ops.labels" -}}
{{ include "ops.selector" . }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "ops.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end }}

{{- define "ops.pullSecrets" -}}
{{- range .Values.image.pullSecrets }}
- name: {{ . }}
{{- end }}
{{- end }}

{{- define "ops.claim" -}}
{{ .Values.volume.existingClaim | default (printf "%s-base" (include "ops.name" .)) }}
{{- end }}

{{/* A changed ops.yaml is a new pod: the code server reads it when it starts. */}}
{{- define "ops.annotations" -}}
checksum/config: {{ .Values.config | toJson | sha256sum }}
{{- end }}

{{/* fsGroup once, on the empty volume: done again, it would open the keys to the group, and they would be refused. */}}
{{- define "ops.podSecurity" -}}
{{ include "ops.podUser" . }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Of pods that prove. */}}
{{- define "ops.provingPodSecurity" -}}
{{ include "ops.podUser" . }}
seccompProfile: {type: {{ ternary "Unconfined" "RuntimeDefault" .Values.sandbox }}}
{{- end }}

{{- define "ops.provingContainerSecurity" -}}
{{ include "ops.containerSecurity" . }}
{{- if .Values.sandbox }}
procMount: Unmasked
{{- end }}
{{- end }}

{{- define "ops.podUser" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
{{- end }}

{{- define "ops.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "ops.placement" -}}
serviceAccountName: {{ include "ops.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with include "ops.pullSecrets" . }}
imagePullSecrets: {{- . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ops.environment" -}}
- {name: OPS_CONFIG, value: /etc/ops_pipelines/ops.yaml}
- {name: HOME, value: /var/lib/ops_pipelines}
{{- end }}

{{- define "ops.dagsterEnvironment" -}}
- {name: DAGSTER_HOME, value: /opt/dagster/dagster_home}
- name: DAGSTER_PG_PASSWORD
  valueFrom: {secretKeyRef: {{ toJson .Values.dagster.postgresqlSecret }}}
{{- end }}

{{- define "ops.configVolumes" -}}
- name: config
  configMap: {name: {{ include "ops.name" . }}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.volume.tmpSize }}}
{{- end }}

{{- define "ops.configMounts" -}}
- {name: config, mountPath: /etc/ops_pipelines, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "ops.baseVolumes" -}}
{{ include "ops.configVolumes" . }}
- name: base
  persistentVolumeClaim: {claimName: {{ include "ops.claim" . }}}
{{- end }}

{{- define "ops.baseMounts" -}}
{{ include "ops.configMounts" . }}
- {name: base, mountPath: /var/lib/ops_pipelines}
{{- end }}

{{/* Where Dagster writes beside its database. */}}
{{- define "ops.homeVolume" -}}
- name: dagster-home
  emptyDir: {}
{{- end }}

{{- define "ops.homeMount" -}}
- {name: dagster-home, mountPath: /opt/dagster/dagster_home}
{{- end }}

{{/* What K8sRunLauncher makes the pods of runs from; the code location tells it. */}}
{{- define "ops.runs" -}}
k8s:
  namespace: {{ .Release.Namespace }}
  image_pull_policy: {{ .Values.image.pullPolicy }}
  service_account_name: {{ include "ops.name" . }}
  env_secrets: {{- toYaml .Values.secrets.code | nindent 4 }}
  env: {{- include "ops.environment" . | nindent 4 }}
  labels: {{- include "ops.selector" . | nindent 4 }}
  resources: {{- toYaml .Values.runs.resources | nindent 4 }}
  security_context: {{- include "ops.provingContainerSecurity" . | nindent 4 }}
  volumes:
    {{- include "ops.baseVolumes" . | nindent 4 }}
    {{- include "ops.homeVolume" . | nindent 4 }}
  volume_mounts:
    {{- include "ops.baseMounts" . | nindent 4 }}
    {{- include "ops.homeMount" . | nindent 4 }}
  {{- with include "ops.pullSecrets" . }}
  image_pull_secrets: {{- . | nindent 4 }}
  {{- end }}
  run_k8s_config:
    pod_spec_config:
      automount_service_account_token: false
      enable_service_links: false
      {{- if .Values.sandbox }}
      host_users: false
      {{- end }}
      security_context: {{- include "ops.provingPodSecurity" . | nindent 8 }}
      {{- with .Values.nodeSelector }}
      node_selector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
    job_spec_config:
      ttl_seconds_after_finished: {{ .Values.runs.keepFinishedSeconds }}
{{- end }}

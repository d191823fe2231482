{{- define "preau.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end -}}

{{- define "preau.labels" -}}
app.kubernetes.io/name: preau
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
app.kubernetes.io/part-of: preau
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "preau.selector" -}}
app.kubernetes.io/name: preau
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{/* The same on one line. */}}
{{- define "preau.match" -}}
{app.kubernetes.io/name: preau, app.kubernetes.io/instance: {{ .root.Release.Name }}, app.kubernetes.io/component: {{ .name }}}
{{- end -}}

{{- define "preau.image" -}}
{{- $i := .Values.image -}}
{{- if $i.digest }}{{ $i.repository }}@{{ $i.digest }}{{ else }}{{ $i.repository }}:{{ $i.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{- define "preau.secret" -}}
{{ .service.secret | default (printf "%s-%s" (include "preau.fullname" .root) .name) }}
{{- end -}}

{{/* Helm's hooks run before the release is there, and so do no Secrets that somebody makes of its objects, and no databases. */}}
{{- define "preau.hooksCan" -}}
{{- if ne .Values.secrets.mode "existingSecret" }}{{ fail (printf "%s: its Secret must be there before all else, which with secrets.mode: externalSecrets it is not" .what) }}{{ end -}}
{{- end -}}

{{- define "preau.migrations" -}}
{{- if eq .Values.migrations.mode "hook" }}
{{- include "preau.hooksCan" (dict "Values" .Values "what" "migrations.mode: hook") }}
{{- if eq .Values.database.mode "cnpg" }}{{ fail "migrations.mode: hook: with database.mode: cnpg there is no database before all else; say initContainer, or auto" }}{{ end }}
{{- end }}
{{- $auto := ternary "hook" "initContainer" (and (eq .Values.database.mode "external") (eq .Values.secrets.mode "existingSecret")) -}}
{{- ternary $auto .Values.migrations.mode (eq .Values.migrations.mode "auto") -}}
{{- end -}}

{{/* The database of one service, as environment. In a CloudNativePG cluster the operator made the Secret, in parts. */}}
{{- define "preau.database" -}}
{{- $setting := printf "%s_DATABASE_URL" (upper .name) -}}
{{- if eq .root.Values.database.mode "cnpg" -}}
{{- $cluster := printf "%s-%s-db" (include "preau.fullname" .root) .name -}}
{{- range $part := list "username" "password" "host" "dbname" }}
- name: {{ upper $.name }}_{{ upper $part }}
  valueFrom: {secretKeyRef: {name: {{ $cluster }}-app, key: {{ $part }}}}
{{- end }}
- name: {{ $setting }}
  value: postgresql+asyncpg://$({{ upper .name }}_USERNAME):$({{ upper .name }}_PASSWORD)@$({{ upper .name }}_HOST):{{ .root.Values.database.port }}/$({{ upper .name }}_DBNAME)?ssl=require
{{- else }}
- name: {{ $setting }}
  valueFrom: {secretKeyRef: {name: {{ include "preau.secret" . }}, key: {{ $setting }}}}
{{- end }}
{{- end -}}

{{/* host:port of the broker's monitoring, for whoever is in another namespace. */}}
{{- define "preau.monitorFromElsewhere" -}}
{{- $where := .Values.broker.monitorUrl | trimPrefix "http://" | splitList ":" -}}
{{- $host := first $where -}}
{{- if not (contains "." $host) }}{{ $host = printf "%s.%s.svc" $host .Release.Namespace }}{{ end -}}
{{- join ":" (prepend (rest $where) $host) -}}
{{- end -}}

{{- define "preau.broker" -}}
{{- $b := .root.Values.broker }}
- name: NATS_URL
  value: nats://{{ $b.host }}:{{ $b.port }}
{{- if eq $b.auth "keys" }}
- name: NATS_CREDENTIALS
  value: /etc/preau/NATS_CREDENTIALS/{{ .name }}.nk
{{- end }}
- name: NATS_REPLICAS
  value: {{ $b.replicas | quote }}
{{- end -}}

{{/* What every pod of ours has: a place of its own to write in, and its key for the broker. */}}
{{- define "preau.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if eq .root.Values.broker.auth "keys" }}
- {name: nats-credentials, mountPath: /etc/preau/NATS_CREDENTIALS, readOnly: true}
{{- end }}
{{- end -}}

{{- define "preau.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .root.Values.pods.tmpSize }}}
{{- if eq .root.Values.broker.auth "keys" }}
- name: nats-credentials
  secret: {secretName: {{ .root.Values.broker.secret }}, items: [{key: {{ .name }}.nk, path: {{ .name }}.nk}]}
{{- end }}
{{- end -}}

{{/* Settings that name a file. */}}
{{- define "preau.files" -}}
{{- range $setting, $file := . }}
- name: {{ $setting }}
  value: /etc/preau/{{ $setting }}/{{ $file.key }}
{{- end }}
{{- end -}}

{{- define "preau.fileMounts" -}}
{{- range $setting, $file := . }}
- {name: {{ $setting | lower | replace "_" "-" }}, mountPath: /etc/preau/{{ $setting }}, readOnly: true}
{{- end }}
{{- end -}}

{{- define "preau.fileItems" -}}
{{- $items := list -}}
{{- range prepend (.beside | default list) .key -}}{{- $items = append $items (printf "{key: %s, path: %s}" . .) -}}{{- end -}}
{{- join ", " $items -}}
{{- end -}}

{{- define "preau.fileVolumes" -}}
{{- range $setting, $file := . }}
- name: {{ $setting | lower | replace "_" "-" }}
  {{- if $file.secret }}
  secret: {secretName: {{ $file.secret }}, items: [{{ include "preau.fileItems" $file }}]}
  {{- else }}
  configMap: {name: {{ $file.configMap }}, items: [{{ include "preau.fileItems" $file }}]}
  {{- end }}
{{- end }}
{{- end -}}

{{/* All settings of one service's process. */}}
{{- define "preau.env" -}}
{{- $root := .root -}}{{- $s := .service -}}
- name: PREAU_ENV
  value: production
- name: PREAU_PUBLIC_URL
  value: {{ $root.Values.publicUrl | quote }}
{{- include "preau.broker" . }}
{{- if $s.monitorsBroker }}
- name: NATS_MONITOR_URL
  value: {{ $root.Values.broker.monitorUrl | quote }}
{{- end }}
{{- range $called := $s.calls }}
- name: {{ upper $called }}_URL
  value: http://{{ include "preau.fullname" $root }}-{{ $called }}:{{ (index $root.Values.services $called).port }}
{{- end }}
{{- if $s.database }}
{{- include "preau.database" . }}
{{- end }}
{{- if $s.mails }}
- name: PREAU_MAIL_FROM
  value: {{ $root.Values.mailFrom | quote }}
{{- end }}
{{- if and $root.Values.paymentProvider (has .name (list "gateway" "billing")) }}
- name: PREAU_PAYMENT_PROVIDER
  value: {{ $root.Values.paymentProvider | quote }}
{{- end }}
{{- if $root.Values.network.tracing.enabled }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ $root.Values.network.tracing.endpoint | quote }}
{{- end }}
{{- range $setting := $s.secretSettings }}
- name: {{ $setting }}
  valueFrom: {secretKeyRef: {name: {{ include "preau.secret" $ }}, key: {{ $setting }}}}
{{- end }}
{{- include "preau.files" $s.files }}
{{- range $setting, $value := merge (deepCopy $s.env) $root.Values.extraEnv }}
- name: {{ $setting }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "preau.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.pods.user }}
runAsGroup: {{ .Values.pods.user }}
fsGroup: {{ .Values.pods.user }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "preau.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The beginning of every container: its image, and what it may not do. */}}
{{- define "preau.container" -}}
image: {{ include "preau.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "preau.containerSecurity" . | nindent 2 }}
{{- end -}}

{{/* What Helm runs before the release is there is without its account: it needs none. */}}
{{- define "preau.placement" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
securityContext:
  {{- include "preau.podSecurity" . | nindent 2 }}
{{- with .Values.pods.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A NetworkPolicy rule's peers and port; none: any address. */}}
{{- define "preau.to" -}}
{{- with .to }}
- to: {{ toYaml . | nindent 4 }}
  ports: [{protocol: TCP, port: {{ $.port }}}]
{{- else }}
- ports: [{protocol: TCP, port: {{ .port }}}]
{{- end }}
{{- end -}}

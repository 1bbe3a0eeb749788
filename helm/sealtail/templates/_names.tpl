{{/* Names and labels. */}}

{{- define "sealtail.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default "sealtail" .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What never changes of a component's labels: (list root component). */}}
{{- define "sealtail.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default "sealtail" $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of a component's objects: (list root component). */}}
{{- define "sealtail.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{ include "sealtail.selector" . }}
app.kubernetes.io/version: {{ $root.Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The image, from the chart's values. */}}
{{- define "sealtail.image" -}}
{{- $repository := required "image.repository is empty: build the image from the Dockerfile, push it to your registry, and say where it is" .repository -}}
{{- if .digest -}}
{{- printf "%s@%s" $repository .digest -}}
{{- else -}}
{{- printf "%s:%s" $repository .tag -}}
{{- end -}}
{{- end -}}

{{- define "sealtail.serviceAccount" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $account := (index $root.Values $component).serviceAccount -}}
{{- if $account.create -}}
{{- default (printf "%s-%s" (include "sealtail.fullname" $root) $component) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{/* Where the vault of this release is reached. */}}
{{- define "sealtail.vaultUrl" -}}
{{- $scheme := ternary "https" "http" .Values.vault.tls.enabled -}}
{{- printf "%s://%s-vault.%s.svc:%v" $scheme (include "sealtail.fullname" .) .Release.Namespace .Values.vault.service.port -}}
{{- end -}}

{{/* One that is named in the values, or one that the chart makes of them. */}}
{{- define "sealtail.vaultKeysSecret" -}}
{{- default (printf "%s-vault-keys" (include "sealtail.fullname" .)) .Values.vault.keys.existingSecret -}}
{{- end -}}
{{- define "sealtail.vaultTlsSecret" -}}
{{- default (printf "%s-vault-tls" (include "sealtail.fullname" .)) .Values.vault.tls.existingSecret -}}
{{- end -}}
{{- define "sealtail.agentGrantSecret" -}}
{{- default (printf "%s-agent-grant" (include "sealtail.fullname" .)) .Values.agent.grant.existingSecret -}}
{{- end -}}
{{- define "sealtail.testGrantSecret" -}}
{{- default (printf "%s-test-grant" (include "sealtail.fullname" .)) .Values.test.grant.existingSecret -}}
{{- end -}}

{{/*
For charts that have this one as a dependency (values `sealtail: {enabled: false, sidecar: {…}}`).

One line does all, where a chart keeps its pod template as a named template:
    template: {{- include "sealtail.pod" (list . (include "shop.pod" .)) | nindent 6 }}
Or each part where it belongs: sealtail.podAnnotations, sealtail.podLabels, sealtail.initContainers,
sealtail.containers, sealtail.volumes, sealtail.volumeMounts, all with the chart's `.`.
What a mode does not need renders to nothing.
*/}}

{{- define "sealtail.sidecarTerms" -}}
{{- $values := .Values.sealtail -}}
{{- $sidecar := $values.sidecar -}}
{{- $mount := dict "name" $sidecar.logs.volume "mountPath" $sidecar.logs.mountPath -}}
{{- dict "values" $values "agent" $sidecar "mode" $sidecar.mode "mounts" (list $mount)
  "url" (required "sidecar.vault.url is empty: where is the vault?" $sidecar.vault.url)
  "grantSecret" $sidecar.grant.existingSecret | toJson -}}
{{- end -}}

{{- define "sealtail.podAnnotations" -}}
sealtail.dev/agent.yaml: |
  {{- include "sealtail.agentConfig" (include "sealtail.sidecarTerms" . | fromJson) | nindent 2 }}
{{- end -}}

{{- define "sealtail.podLabels" -}}
sealtail.dev/agent: "true"
{{- end -}}

{{- define "sealtail.initContainers" -}}
{{- if eq .Values.sealtail.sidecar.mode "native" -}}
- {{- include "sealtail.agentContainer" (include "sealtail.sidecarTerms" . | fromJson) | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "sealtail.containers" -}}
{{- if eq .Values.sealtail.sidecar.mode "classic" -}}
- {{- include "sealtail.agentContainer" (include "sealtail.sidecarTerms" . | fromJson) | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "sealtail.volumes" -}}
{{- include "sealtail.agentVolumes" (include "sealtail.sidecarTerms" . | fromJson) -}}
{{- if .Values.sealtail.sidecar.logs.create }}
- name: {{ .Values.sealtail.sidecar.logs.volume }}
  emptyDir: {}
{{- end -}}
{{- end -}}

{{/* The app's half of the logs. */}}
{{- define "sealtail.volumeMounts" -}}
{{- with .Values.sealtail.sidecar.logs -}}
- {name: {{ .volume }}, mountPath: {{ .mountPath }}}
{{- end -}}
{{- end -}}

{{/* What the agent's stop needs beyond the app's own, in seconds. */}}
{{- define "sealtail.graceSeconds" -}}
{{- with .Values.sealtail.sidecar -}}
{{- add .drainSeconds 10 (ternary .classicPauseSeconds 0 (eq .mode "classic")) -}}
{{- end -}}
{{- end -}}

{{- define "sealtail.pod" -}}
{{- $root := index . 0 -}}
{{- $logs := $root.Values.sealtail.sidecar.logs -}}
{{- $pod := index . 1 | fromYaml -}}
{{- if hasKey $pod "Error" -}}
{{- fail (printf "sealtail.pod: what was given is no pod template: %s" $pod.Error) -}}
{{- end -}}
{{- $meta := default dict $pod.metadata -}}
{{- $_ := set $meta "labels" (merge (include "sealtail.podLabels" $root | fromYaml) (default dict $meta.labels)) -}}
{{- $_ := set $meta "annotations" (merge (include "sealtail.podAnnotations" $root | fromYaml) (default dict $meta.annotations)) -}}
{{- $spec := $pod.spec -}}
{{- $writers := default (list (first $spec.containers).name) $logs.containers -}}
{{- range $container := concat $spec.containers (default list $spec.initContainers) -}}
{{- if has $container.name $writers -}}
{{- $mounts := concat (default list $container.volumeMounts) (include "sealtail.volumeMounts" $root | fromYamlArray) -}}
{{- $_ := set $container "volumeMounts" $mounts -}}
{{- end -}}
{{- end -}}
{{- $_ := set $spec "containers" (concat $spec.containers (include "sealtail.containers" $root | fromYamlArray)) -}}
{{- $inits := concat (include "sealtail.initContainers" $root | fromYamlArray) (default list $spec.initContainers) -}}
{{- if $inits }}{{ $_ := set $spec "initContainers" $inits }}{{ end -}}
{{- $_ := set $spec "volumes" (concat (default list $spec.volumes) (include "sealtail.volumes" $root | fromYamlArray)) -}}
{{- $_ := set $spec "securityContext" (merge (default dict $spec.securityContext) (dict "fsGroup" 65532 "fsGroupChangePolicy" "OnRootMismatch")) -}}
{{- $grace := ternary 30 $spec.terminationGracePeriodSeconds (kindIs "invalid" $spec.terminationGracePeriodSeconds) -}}
{{- $_ := set $spec "terminationGracePeriodSeconds" (add $grace (include "sealtail.graceSeconds" $root | int)) -}}
{{- toYaml (dict "metadata" $meta "spec" $spec) -}}
{{- end -}}

{{/*
One agent: its container, volumes and configuration, as the DaemonSet and sidecars have it.
Each takes a dict: values (this chart's), agent (.Values.agent or .Values.sidecar), url, grantSecret,
mounts (the logs).
*/}}

{{/* Whether the state goes with the pod: then a stop ends the chain. */}}
{{- define "sealtail.stateIsVolatile" -}}
{{- if has .agent.state.type (list "emptyDir" "ephemeral") -}}true{{- end -}}
{{- end -}}

{{- define "sealtail.agentConfig" -}}
{{- $agent := .agent -}}
{{- $name := required "the agent's name is empty: it is the subject of its grant" $agent.name -}}
{{- if lt (len .values.trust.vaultKeys) 2 -}}
{{- fail "trust.vaultKeys needs the vault's two public keys, as `sealtail key show` prints them" -}}
{{- end -}}
{{- if not $agent.sources -}}
{{- fail "an agent without sources seals nothing: say which files" -}}
{{- end -}}
{{- $sink := dict "url" .url -}}
{{- $tls := dict -}}
{{- with $agent.vault.tls.secret -}}
{{- range $key := list "ca" "cert" "key" -}}
{{- with index $agent.vault.tls $key -}}
{{- $_ := set $tls $key (printf "/etc/sealtail-tls/%s" .) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $sink "tls" $tls -}}
{{- end -}}
{{- $labels := dict "pod" "${POD_NAME}" "pod_uid" "${POD_UID}" "namespace" "${POD_NAMESPACE}" "node" "${NODE_NAME}" -}}
{{- $config := dict
  "version" 1
  "name" $name
  "labels" (merge (deepCopy $agent.labels) $labels)
  "state_dir" "/var/lib/sealtail/agent"
  "sources" $agent.sources
  "buffer" (dict "max_bytes" (printf "%dMiB" (div (mul (int $agent.state.sizeMiB) 8) 10)))
  "drain" (dict "deadline" (printf "%ds" (int $agent.drainSeconds)) "final" (eq (include "sealtail.stateIsVolatile" .) "true"))
  "sink" $sink
  "trust" (dict "vault_keys" .values.trust.vaultKeys)
  "grant" (dict "file" "/etc/sealtail-grant/grant.txt" "key" "/etc/sealtail-grant/grant.txt.key")
  "metrics" (dict "listen" "0.0.0.0:9464")
  "diagnostics" (dict "termination_message" "/dev/termination-log")
-}}
{{- toYaml (mergeOverwrite $config (deepCopy $agent.config)) -}}
{{- end -}}

{{/* mode (native, classic, or empty for a container of its own) decides how it starts and stops. */}}
{{- define "sealtail.agentContainer" -}}
{{- $agent := .agent -}}
name: sealtail-agent
image: {{ include "sealtail.image" .values.image }}
imagePullPolicy: {{ .values.image.pullPolicy }}
{{- if eq .mode "native" }}
restartPolicy: Always
{{- end }}
args: [agent, --config, /etc/sealtail/agent.yaml]
env:
  {{- include "sealtail.podVariables" . | nindent 2 }}
  {{- with $agent.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - {name: sealtail-ops, containerPort: 9464, protocol: TCP}
{{- if ne .mode "classic" }}
startupProbe:
  httpGet: {path: /startupz, port: sealtail-ops}
  periodSeconds: 1
  failureThreshold: 60
{{- else }}
lifecycle:
  preStop:
    sleep: {seconds: {{ int $agent.classicPauseSeconds }}}
{{- end }}
livenessProbe:
  httpGet: {path: /livez, port: sealtail-ops}
  periodSeconds: 20
  timeoutSeconds: 3
  failureThreshold: 6
terminationMessagePolicy: FallbackToLogsOnError
resources:
  {{- toYaml $agent.resources | nindent 2 }}
securityContext:
  {{- toYaml (mergeOverwrite (include "sealtail.containerSecurity" . | fromYaml) (deepCopy $agent.securityContext)) | nindent 2 }}
volumeMounts:
  - {name: sealtail-config, mountPath: /etc/sealtail, readOnly: true}
  - {name: sealtail-grant, mountPath: /etc/sealtail-grant, readOnly: true}
  {{- if $agent.vault.tls.secret }}
  - {name: sealtail-tls, mountPath: /etc/sealtail-tls, readOnly: true}
  {{- end }}
  - {name: {{ include "sealtail.stateVolumeName" . }}, mountPath: /var/lib/sealtail}
  {{- range .mounts }}
  - {name: {{ .name }}, mountPath: {{ .mountPath }}, readOnly: true}
  {{- end }}
{{- end -}}

{{- define "sealtail.stateVolumeName" -}}
{{- if eq .agent.state.type "volume" -}}
{{- required "state.volume is empty: name the volume that the pod has" .agent.state.volume -}}
{{- else -}}sealtail-state
{{- end -}}
{{- end -}}

{{- define "sealtail.agentVolumes" -}}
{{- $agent := .agent -}}
{{- $state := $agent.state -}}
{{ include "sealtail.configVolume" (list "sealtail.dev/agent.yaml" "agent.yaml") }}
- name: sealtail-grant
  secret:
    secretName: {{ required "an agent needs a grant: name a Secret with grant.txt and grant.txt.key" .grantSecret }}
    defaultMode: 0440
{{- with $agent.vault.tls.secret }}
- name: sealtail-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- if eq $state.type "emptyDir" }}
- name: sealtail-state
  emptyDir:
    sizeLimit: {{ int $state.sizeMiB }}Mi
{{- else if eq $state.type "ephemeral" }}
- name: sealtail-state
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $state.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ int $state.sizeMiB }}Mi
{{- else if eq $state.type "hostPath" }}
- name: sealtail-state
  hostPath:
    path: {{ required "state.path is empty: name the node's directory" $state.path }}
    type: DirectoryOrCreate
{{- end }}
{{- end -}}

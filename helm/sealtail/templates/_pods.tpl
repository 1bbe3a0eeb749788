{{/* What every pod of ours has: the restricted Pod Security Standard, and who it is. */}}

{{- define "sealtail.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sealtail.containerSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What a pod says about itself. */}}
{{- define "sealtail.podVariables" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}
- name: POD_UID
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.uid}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
- name: NODE_NAME
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: spec.nodeName}}
{{- end -}}

{{/* A file that is an annotation of the pod: changing it rolls the pod. (list volume annotation path) */}}
{{- define "sealtail.configVolume" -}}
- name: sealtail-config
  downwardAPI:
    items:
      - path: {{ index . 1 }}
        fieldRef:
          fieldPath: {{ printf "metadata.annotations['%s']" (index . 0) | quote }}
{{- end -}}

{{/* Where pods are put: (list values-of-the-component selector-labels). */}}
{{- define "sealtail.placement" -}}
{{- $values := index . 0 -}}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

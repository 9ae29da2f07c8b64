{{- define "pullgate.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pullgate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pullgate.labels" -}}
{{ include "pullgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "pullgate.image" -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- end -}}

{{/* Converts the path of a file to a key of a ConfigMap, because such a key cannot contain `/`. */}}
{{- define "pullgate.key" -}}
{{ . | replace "/" "__" }}
{{- end -}}

{{/* The fields that select the nodes on which this Helm release acts. */}}
{{- define "pullgate.nodes" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or .Values.rollout.stages .Values.rollout.exceptStages }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            {{- with .Values.rollout.stages }}
            - key: pullgate.io/stage
              operator: In
              values: {{- toYaml . | nindent 16 }}
            {{- end }}
            {{- with .Values.rollout.exceptStages }}
            - key: pullgate.io/stage
              operator: NotIn
              values: {{- toYaml . | nindent 16 }}
            {{- end }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
The pod that changes a node. `verb` says what the pod does. The pod needs the node's root file system and systemd. The pod has
no credentials for the API server. The pod does not need the cluster's network, because the policy can refuse an image of the
network plugin.
*/}}
{{- define "pullgate.pod" -}}
hostPID: true
hostNetwork: true
dnsPolicy: Default
automountServiceAccountToken: false
enableServiceLinks: false
serviceAccountName: {{ .serviceAccountName }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
# When the pod stops, the installer has this time to finish its current step.
terminationGracePeriodSeconds: 300
{{- include "pullgate.nodes" . }}
containers:
  - name: installer
    image: {{ include "pullgate.image" . }}
    imagePullPolicy: IfNotPresent
    command: [/bin/sh, -c]
    args:
      - {{ .Files.Get "files/installer.sh" | toJson }}
      - installer
      - {{ .verb }}
    env:
      - { name: HOST, value: /host }
      - { name: CONFIGURATION, value: /configuration }
      - { name: CHART, value: /chart }
      - { name: STATE, value: /run/installer }
      - { name: IMAGE, value: {{ include "pullgate.image" . | quote }} }
      - { name: INTERVAL, value: {{ .Values.rollout.interval | quote }} }
    readinessProbe:
      exec: { command: [test, -e, /run/installer/ready] }
      periodSeconds: 5
    securityContext:
      privileged: true
      runAsUser: 0
      readOnlyRootFilesystem: true
    {{- with .Values.resources }}
    resources: {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - name: host
        mountPath: /host
        mountPropagation: HostToContainer
      - name: state
        mountPath: /run/installer
      # To check a new configuration under its path on the node, the pod mounts the configuration here.
      - name: state
        mountPath: /etc/pullgate
        subPath: etc
      {{- if eq .verb "install" }}
      - name: configuration
        mountPath: /configuration
        readOnly: true
      - name: chart
        mountPath: /chart
        readOnly: true
      {{- end }}
volumes:
  - name: host
    hostPath: { path: /, type: Directory }
  - name: state
    emptyDir: { medium: Memory, sizeLimit: 64Mi }
  {{- if eq .verb "install" }}
  - name: configuration
    projected:
      defaultMode: 256 # 0400
      sources:
        - configMap:
            name: {{ include "pullgate.fullname" . }}
            items:
              {{- if eq .Values.image.admission "unsigned" }}
              - { key: image-rule.toml, path: policy.d/50-pullgate-image.toml }
              {{- end }}
              {{- range $path, $_ := .Values.configuration.files }}
              - { key: {{ include "pullgate.key" $path }}, path: {{ $path }} }
              {{- end }}
        {{- with .Values.configuration.sources }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  - name: chart
    configMap:
      name: {{ include "pullgate.fullname" . }}
      items:
        - { key: image, path: image }
        - { key: image-expectations.toml, path: expectations.toml }
  {{- end }}
{{- end -}}

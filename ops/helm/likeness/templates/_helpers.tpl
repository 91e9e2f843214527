{{- define "likeness.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "likeness.labels" -}}
app.kubernetes.io/name: likeness
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Of one role, in a dictionary with the keys "root" and "role". */}}
{{- define "likeness.selector" -}}
app.kubernetes.io/name: likeness
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "likeness.image" -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag -}}
{{- $separator := ternary "@" ":" (hasPrefix "sha256:" $tag) -}}
{{- printf "%s%s%s" (required "Set image.repository to an image built from the Dockerfile." .Values.image.repository) $separator $tag -}}
{{- end -}}

{{- define "likeness.secret" -}}
{{- required "Set existingSecret to the name of a Secret with DATABASE_URL and SIGNING_SECRETS." .Values.existingSecret -}}
{{- end -}}

{{/* What the cluster needs to start a pod. */}}
{{- define "likeness.scheduling" -}}
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The security context of each container. */}}
{{- define "likeness.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The environment of a process of a role, in a dictionary with the keys "root" and "role". */}}
{{- define "likeness.environment" -}}
{{- $values := .root.Values -}}
{{- $settings := merge (dict) (index $values .role).settings $values.settings -}}
{{- $_ := required "Set settings.PUBLIC_URL to the address of the gateway." $settings.PUBLIC_URL -}}
{{- $_ := required "Set settings.S3_BUCKET: pods have no common disk for pictures." $settings.S3_BUCKET -}}
{{- $fixed := dict "ROLE" .role "HOST" "0.0.0.0" "PORT" "4000" "METRICS_HOST" "0.0.0.0" "METRICS_PORT" "9464" "DATA_DIR" "/var/lib/likeness" "MIGRATE" (ternary "false" "true" $values.migration.enabled) -}}
{{- range $name, $value := merge (dict) $fixed $settings }}
- name: {{ $name }}
  {{- /* Numbers of values files are floats, which only JSON writes without an exponent. */}}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- end -}}

{{/* The seconds of a duration such as 1.5m, of the setting "name" of "settings", by default those of "default". */}}
{{- define "likeness.seconds" -}}
{{- $text := get .settings .name | toString | default .default -}}
{{- $text = ternary "0s" $text (eq $text "0") -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text -}}
{{- $factor := get (dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 "d" 86400) (trimPrefix $number $text) -}}
{{- if or (empty $number) (kindIs "string" $factor) -}}
{{- fail (printf "Set settings.%s to a duration, such as %s; it is %s." .name .default $text) -}}
{{- end -}}
{{- mulf $number $factor -}}
{{- end -}}

{{/* Fails if Kubernetes would kill a process of a role before its stop has ended; with the keys "root" and "role". */}}
{{- define "likeness.checkGrace" -}}
{{- $settings := merge (dict) (index .root.Values .role).settings .root.Values.settings -}}
{{- $drain := include "likeness.seconds" (dict "settings" $settings "name" "SHUTDOWN_DRAIN" "default" "5s") -}}
{{- $submit := include "likeness.seconds" (dict "settings" $settings "name" "SUBMIT_TIMEOUT" "default" "30s") -}}
{{- $grace := include "likeness.seconds" (dict "settings" $settings "name" "SHUTDOWN_GRACE" "default" "10s") -}}
{{- $needed := addf $grace (maxf $drain (addf $submit $grace)) -}}
{{- $given := .root.Values.terminationGracePeriodSeconds -}}
{{- if lt (float64 $given) $needed -}}
{{- fail (printf "Set terminationGracePeriodSeconds to at least %v, or shorten SHUTDOWN_DRAIN, SUBMIT_TIMEOUT or SHUTDOWN_GRACE: pods of the role %s would be killed after %v seconds, before their stop has ended." (ceil $needed) .role $given) -}}
{{- end -}}
{{- end -}}

{{/* The pod of a role, in a dictionary with the keys "root" and "role". */}}
{{- define "likeness.pod" -}}
{{- $values := .root.Values -}}
{{- include "likeness.checkGrace" . -}}
metadata:
  labels:
    {{- include "likeness.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "9464"
    prometheus.io/path: /metrics
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with include "likeness.scheduling" .root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "likeness.selector" . | nindent 10 }}
  containers:
    - name: likeness
      image: {{ include "likeness.image" .root | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      securityContext:
        {{- include "likeness.containerSecurity" .root | nindent 8 }}
      ports:
        - name: http
          containerPort: 4000
        - name: metrics
          containerPort: 9464
      env:
        {{- include "likeness.environment" . | trim | nindent 8 }}
        # A pod does not start without them: each would have a database and signatures of its own.
        {{- range list "DATABASE_URL" "SIGNING_SECRETS" }}
        - name: {{ . }}
          valueFrom:
            secretKeyRef:
              name: {{ include "likeness.secret" $.root }}
              key: {{ . }}
        {{- end }}
      envFrom:
        - secretRef:
            name: {{ include "likeness.secret" .root }}
      startupProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 2
        # A process that migrates, or waits for another one that does, listens only after it.
        failureThreshold: {{ ternary 60 1800 $values.migration.enabled }}
      livenessProbe:
        httpGet:
          path: /healthz
          port: http
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 1
      resources:
        {{- toYaml (index $values .role).resources | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: /var/lib/likeness
        - name: tmp
          mountPath: /tmp
  volumes:
    {{- if eq .role "api" }}
    - name: data
      emptyDir: {}
    {{- end }}
    - name: tmp
      emptyDir: {}
{{- end -}}

{{/* What scales a role, in a dictionary with the keys "root", "role", "kind", "metric" and "target". */}}
{{- define "likeness.autoscaler" -}}
{{- $name := printf "%s-%s" (include "likeness.name" .root) .role -}}
{{- $autoscaling := (index .root.Values .role).autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "likeness.labels" .root | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ $name }}
  minReplicas: {{ $autoscaling.minReplicas }}
  maxReplicas: {{ $autoscaling.maxReplicas }}
  metrics:
    - type: Pods
      pods:
        metric:
          name: {{ .metric }}
        target:
          type: AverageValue
          averageValue: {{ .target | toString | quote }}
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $autoscaling.cpuPercent }}
  behavior:
    # Each pod that is removed closes its sockets.
    scaleDown:
      stabilizationWindowSeconds: 600
      policies:
        - type: Pods
          value: 1
          periodSeconds: 120
{{- end -}}

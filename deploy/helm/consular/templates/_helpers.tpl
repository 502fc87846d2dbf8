{{- define "consular.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* A release that is called after the chart has no doubled name. */}}
{{- define "consular.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "consular.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "consular.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "consular.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "consular.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "consular.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: expected the account to use, for serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "consular.selector" -}}
app.kubernetes.io/name: {{ include "consular.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/*
The labels of an object, with those of one kind of object: (dict "context" $ "more" .labels). Where several have a key, it stands once, for
some readers of YAML refuse a second. The labels that select pods win, then those of the kind, then commonLabels, then the chart's.
*/}}
{{- define "consular.labelsWith" -}}
{{- $own := dict "app.kubernetes.io/version" .context.Chart.AppVersion "app.kubernetes.io/managed-by" .context.Release.Service "helm.sh/chart" (printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_") -}}
{{- merge (include "consular.selector" .context | fromYaml) (default dict .more) (default dict .context.Values.commonLabels) $own | toYaml -}}
{{- end -}}
{{- define "consular.labels" -}}
{{- include "consular.labelsWith" (dict "context" . "more" dict) -}}
{{- end -}}

{{- define "consular.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $name := ternary .Values.image.repository (printf "%s/%s" $registry .Values.image.repository) (empty $registry) -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Some ways to render a chart look at no schema, and ours says nothing of this form: a pod with a name that Consular refuses never starts. */}}
{{- define "consular.cluster" -}}
{{- $cluster := required "config.cluster: expected a name of this Kubernetes cluster, like dev; found none" .Values.config.cluster | toString -}}
{{- if or (contains "--" $cluster) (not (regexMatch "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$" $cluster)) -}}
{{- fail (printf "config.cluster: expected a DNS label of at most 40 characters, without \"--\"; found %q" $cluster) -}}
{{- end -}}
{{- $cluster -}}
{{- end -}}

{{- define "consular.lease" -}}
{{- default (printf "consular-%s" (include "consular.cluster" .)) (dig "leaderElection" "name" "" .Values.config) -}}
{{- end -}}
{{- define "consular.leaseNamespace" -}}
{{- default (include "consular.namespace" .) (dig "leaderElection" "namespace" "" .Values.config) -}}
{{- end -}}

{{/* The namespaces of the settings, as JSON lists. */}}
{{- define "consular.mirrorNamespaces" -}}
{{- $mirrors := ternary (dig "toKubernetes" "namespaces" (list "default") .Values.config) list (dig "toKubernetes" "enabled" true .Values.config) -}}
{{- concat $mirrors .Values.rbac.extraNamespaces | uniq | sortAlpha | toJson -}}
{{- end -}}
{{- define "consular.importNamespaces" -}}
{{- $imports := ternary (dig "toKubernetes" "importNamespaces" list .Values.config) list (dig "toKubernetes" "enabled" true .Values.config) -}}
{{- without $imports | toJson -}}
{{- end -}}
{{/* toConsul.watch: namespaces names each of them: there are no patterns then. */}}
{{- define "consular.watchedNamespaces" -}}
{{- $pods := ternary (dig "toConsul" "namespaces" "include" list .Values.config) list (dig "toConsul" "enabled" true .Values.config) -}}
{{- concat $pods (include "consular.mirrorNamespaces" . | fromJsonArray) (include "consular.importNamespaces" . | fromJsonArray) | uniq | sortAlpha | toJson -}}
{{- end -}}
{{- define "consular.watchesCluster" -}}
{{- if ne (dig "toConsul" "watch" "cluster" .Values.config) "namespaces" }}true{{ end -}}
{{- end -}}

{{/* A Role in one namespace, and its binding: (dict "context" $ "namespace" "shop" "suffix" "mirror" "rules" "...") */}}
{{- define "consular.role" -}}
{{- $name := printf "%s-%s" (include "consular.fullname" .context) .suffix -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ .namespace | quote }}
  labels:
    {{- include "consular.labels" .context | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ .namespace | quote }}
  labels:
    {{- include "consular.labels" .context | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects:
  {{- include "consular.subjects" .context | nindent 2 }}
{{- end -}}

{{/* The same for the whole cluster. */}}
{{- define "consular.clusterRole" -}}
{{- $name := ternary (include "consular.fullname" .context) (printf "%s-%s" (include "consular.fullname" .context) .suffix) (empty .suffix) -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- include "consular.labels" .context | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "consular.labels" .context | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
subjects:
  {{- include "consular.subjects" .context | nindent 2 }}
{{- end -}}

{{- define "consular.subjects" -}}
- kind: ServiceAccount
  name: {{ include "consular.serviceAccount" . }}
  namespace: {{ include "consular.namespace" . | quote }}
{{- end -}}

/** A value of the chart, and where it shows. */
export interface ValueRow {
  /** With dots, as `--set` takes it. */
  readonly value: string;
  readonly given: unknown;
  /** The kind, and the name where the chart makes several of that kind. */
  readonly object: string;
  /** Keys and, in lists, names or numbers. */
  readonly path: readonly string[];
  /** What has to stand there; undefined for nothing. */
  readonly expected: unknown;
}

type Row = readonly [value: string, given: unknown, path: string, expected?: unknown];

/** @param rows each with a path below `path`, with spaces between; what is given is expected, where nothing else is */
function rowsAt(object: string, path: string, rows: readonly Row[]): ValueRow[] {
  return rows.map((row) => {
    const [value, given, below] = row;
    const expected = row.length > 3 ? row[3] : given;
    return { value, given, object, path: `${path} ${below}`.split(' ').filter((key) => key !== ''), expected };
  });
}

const POD = 'spec template spec';
const CONTAINER = `${POD} containers consular`;
const IMAGE = 'one.test/team/consular:1.2.3';
const IS_THERE = 'apiVersion';

const peers = [{ namespaceSelector: { matchLabels: { team: 'monitoring' } } }];
const servers = [{ ipBlock: { cidr: '192.0.2.0/24' } }];
const relabelings = [{ sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' }];
const extra = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: '{{ .Release.Name }}-more', namespace: 'chart-values' },
};
const monitor = (value: string, kind: string, endpoints: string) => [
  ...rowsAt(kind, '', [
    [`metrics.${value}.enabled`, true, IS_THERE, 'monitoring.coreos.com/v1'],
    [`metrics.${value}.labels`, { team: 'metrics' }, 'metadata labels team', 'metrics'],
  ]),
  ...rowsAt(kind, `spec ${endpoints} 0`, [
    [`metrics.${value}.interval`, '1m', 'interval'],
    [`metrics.${value}.scrapeTimeout`, '20s', 'scrapeTimeout'],
    [`metrics.${value}.relabelings`, relabelings, 'relabelings'],
  ]),
];

/** All of them in one release, called edge. Labels of one name everywhere show which wins. */
export const TOGETHER: readonly ValueRow[] = [
  ...rowsAt('ConfigMap edge-registrar', 'data', [
    ['config', { cluster: 'dev', writes: 'off' }, 'consular.yaml', /^writes: "off"$/m],
  ]),
  ...rowsAt('Deployment', '', [
    ['namespaceOverride', 'chart-values', 'metadata namespace'],
    ['nameOverride', 'registrar', 'metadata labels app.kubernetes.io/name'],
    ['commonLabels', { team: 'all' }, 'metadata labels team', 'all'],
    ['podLabels', { team: 'pods' }, 'spec template metadata labels team', 'pods'],
    ['podAnnotations', { note: 'seen' }, 'spec template metadata annotations note', 'seen'],
    ['replicas', 3, 'spec replicas'],
    ['revisionHistoryLimit', 3, 'spec revisionHistoryLimit'],
  ]),
  ...rowsAt('Deployment', POD, [
    ['consul.existingSecret', 'acl', 'volumes consul secret secretName'],
    ['imagePullSecrets', [{ name: 'pull' }], 'imagePullSecrets'],
    ['serviceAccount.name', 'account', 'serviceAccountName'],
    ['terminationGracePeriodSeconds', 20, 'terminationGracePeriodSeconds'],
    ['priorityClassName', 'system-cluster-critical', 'priorityClassName'],
    ['topologySpread.topologyKey', 'rack', 'topologySpreadConstraints 0 topologyKey'],
    ['topologySpread.whenUnsatisfiable', 'DoNotSchedule', 'topologySpreadConstraints 0 whenUnsatisfiable'],
    ['podSecurityContext', { fsGroup: 2000 }, 'securityContext fsGroup', 2000],
    ['extraVolumes', [{ name: 'more', emptyDir: {} }], 'volumes more', { name: 'more', emptyDir: {} }],
    ['hostAliases', [{ ip: '192.0.2.1', hostnames: ['consul.test'] }], 'hostAliases'],
    ['dnsPolicy', 'None', 'dnsPolicy'],
    ['dnsConfig', { nameservers: ['192.0.2.2'] }, 'dnsConfig'],
    ['nodeSelector', { disk: 'fast' }, 'nodeSelector'],
    ['affinity', { podAntiAffinity: {} }, 'affinity'],
    ['tolerations', [{ key: 'edge', operator: 'Exists', effect: 'NoSchedule' }], 'tolerations'],
  ]),
  ...rowsAt('Deployment', CONTAINER, [
    ['image.registry', 'one.test', 'image', IMAGE],
    ['image.repository', 'team/consular', 'image', IMAGE],
    ['image.tag', '1.2.3', 'image', IMAGE],
    ['image.pullPolicy', 'Always', 'imagePullPolicy'],
    ['consul.tokenKey', 'token', 'env CONSUL_HTTP_TOKEN_FILE value', '/run/consular/consul/token'],
    ['consul.caKey', 'ca.crt', 'env CONSUL_CACERT value', '/run/consular/consul/ca.crt'],
    ['consul.certKey', 'tls.crt', 'env CONSUL_CLIENT_CERT value', '/run/consular/consul/tls.crt'],
    ['consul.keyKey', 'tls.key', 'env CONSUL_CLIENT_KEY value', '/run/consular/consul/tls.key'],
    ['resources', { limits: { memory: '1Gi' } }, 'resources limits memory', '1Gi'],
    ['livenessProbe', { periodSeconds: 20 }, 'livenessProbe periodSeconds', 20],
    ['readinessProbe', { periodSeconds: 2 }, 'readinessProbe periodSeconds', 2],
    ['securityContext', { privileged: false }, 'securityContext privileged', false],
    ['extraArgs', ['--take-over'], 'args 3', '--take-over'],
    ['env', [{ name: 'TZ', value: 'UTC' }], 'env TZ value', 'UTC'],
    ['extraVolumeMounts', [{ name: 'more', mountPath: '/more' }], 'volumeMounts more mountPath', '/more'],
  ]),
  ...rowsAt('ServiceAccount', '', [
    ['serviceAccount.automount', true, 'automountServiceAccountToken'],
    ['serviceAccount.labels', { team: 'accounts' }, 'metadata labels team', 'accounts'],
    ['serviceAccount.annotations', { role: 'registrar' }, 'metadata annotations role', 'registrar'],
  ]),
  ...rowsAt('ClusterRole edge-registrar-namespaces', '', [
    ['rbac.extraNamespaces', ['kube-public'], 'rules 0 resourceNames', ['default', 'kube-public']],
  ]),
  ...rowsAt('Role edge-registrar-istio', '', [['rbac.istio', true, IS_THERE, 'rbac.authorization.k8s.io/v1']]),
  ...rowsAt('NetworkPolicy', 'spec', [
    ['networkPolicy.enabled', true, 'ingress 0 ports', [{ port: 'http' }]],
    ['networkPolicy.from', peers, 'ingress 0 from'],
    ['networkPolicy.to', servers, 'egress 1 to'],
  ]),
  ...monitor('podMonitor', 'PodMonitor', 'podMetricsEndpoints'),
  ...monitor('serviceMonitor', 'ServiceMonitor', 'endpoints'),
  ...rowsAt('PrometheusRule', '', [
    ['metrics.prometheusRule.enabled', true, IS_THERE, 'monitoring.coreos.com/v1'],
    ['metrics.prometheusRule.labels', { team: 'metrics' }, 'metadata labels team', 'metrics'],
  ]),
  ...rowsAt('PrometheusRule', 'spec groups consular rules 0 annotations', [
    ['metrics.prometheusRule.runbookUrl', 'https://manual.test', 'runbook_url', 'https://manual.test#consulardown'],
  ]),
  ...rowsAt('ConfigMap edge-registrar-dashboard', '', [
    ['metrics.dashboard.enabled', true, IS_THERE, 'v1'],
    ['metrics.dashboard.labels', { team: 'metrics' }, 'metadata labels team', 'metrics'],
    ['metrics.dashboard.annotations', { folder: 'Consul' }, 'metadata annotations folder', 'Consul'],
  ]),
  ...rowsAt('ConfigMap edge-more', '', [['extraObjects', [extra], IS_THERE, 'v1']]),
];

/** What takes an object or a default away, or wins over another value: one release each, called edge. */
export const ALONE: readonly ValueRow[] = [
  ...rowsAt('Deployment', '', [['fullnameOverride', 'ours', 'metadata name']]),
  ...rowsAt('Deployment', CONTAINER, [
    ['image.digest', 'sha256:abc', 'image', 'consular@sha256:abc'],
    ['livenessProbe', null, 'livenessProbe', undefined],
    ['readinessProbe', null, 'readinessProbe', undefined],
  ]),
  ...rowsAt('Deployment', POD, [
    ['consul.existingSecret', '', 'volumes consul', undefined],
    ['topologySpread.enabled', false, 'topologySpreadConstraints', undefined],
    // OpenShift gives each namespace users of its own, and refuses others.
    ['podSecurityContext.runAsUser', null, 'securityContext runAsUser', undefined],
  ]),
  ...rowsAt('Role edge-consular-mirror', '', [['rbac.create', false, IS_THERE, undefined]]),
  ...rowsAt('ClusterRoleBinding edge-consular', '', [['rbac.create', false, IS_THERE, undefined]]),
  ...rowsAt('PodDisruptionBudget', '', [['podDisruptionBudget.enabled', false, IS_THERE, undefined]]),
];

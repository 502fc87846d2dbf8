import { parseConfig } from '../../src/config/load.ts';
import type { ToKubernetesConfig } from '../../src/config/schema.ts';
import type { ServiceInstance } from '../../src/consul/types.ts';
import {
  SERVICE_NAME_LABEL,
  type Condition,
  type Container,
  type EndpointPort,
  type EndpointSlice,
  type Node,
  type Pod,
  type Service,
  type ServicePort,
} from '../../src/kubernetes/objects.ts';
import { LABEL, MANAGED_BY, type Owner } from '../../src/mark.ts';
import type { DesiredConfig } from '../../src/to-consul/desired/desired-registrations.ts';
import type { Policy } from '../../src/to-consul/desired/policy.ts';
import type { Registration } from '../../src/to-consul/registration/registration.ts';

/** Whole objects with believable values; a test names only what it is about. */

export const owner: Owner = { cluster: 'prod', clusterUid: 'uid-of-kube-system' };

export function strings(entries: Readonly<Record<string, string>> = {}): ReadonlyMap<string, string> {
  return new Map(Object.entries(entries));
}

/** The defaults of the settings, but for what a test is about. */
export function toConsulConfig(overrides: Partial<DesiredConfig> = {}): DesiredConfig {
  return { ...parseConfig('cluster: prod', {}).toConsul, ...overrides };
}

export function toKubernetesConfig(overrides: Partial<ToKubernetesConfig> = {}): ToKubernetesConfig {
  return { ...parseConfig('cluster: prod', {}).toKubernetes, ...overrides };
}

export function policy(overrides: Partial<Policy> = {}): Policy {
  return { ...toConsulConfig().policy, ...overrides };
}

/** The prefix that annotations have by default, and the readiness gate under it. */
export const PREFIX = 'consular.dev';
export const GATE = `${PREFIX}/registered`;

/** Annotations by their short name: `{ 'service-name': 'orders' }`. */
export function annotations(entries: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(entries).map(([key, value]) => [`consular.dev/${key}`, value]));
}

/** The labels of what Consular made for this cluster, or for the one named. */
export function marked(cluster = owner.cluster, more: Readonly<Record<string, string>> = {}) {
  return strings({ [LABEL.managedBy]: MANAGED_BY, [LABEL.cluster]: cluster, ...more });
}

export function condition(overrides: Partial<Condition> = {}): Condition {
  return { status: 'True', reason: '', message: '', lastTransitionTime: '2026-10-20T10:00:00Z', ...overrides };
}

export function node(overrides: Partial<Node> = {}): Node {
  return {
    namespace: '',
    name: 'worker-1',
    uid: 'uid-of-node',
    resourceVersion: '10',
    deletionTimestamp: '',
    labels: strings(),
    annotations: strings(),
    internalIP: '192.168.1.11',
    ready: 'True',
    ...overrides,
  };
}

export function pod(overrides: Partial<Pod> = {}): Pod {
  return {
    namespace: 'shop',
    name: 'orders-7d4b9c6f5-abcde',
    uid: 'uid-of-pod',
    resourceVersion: '100',
    deletionTimestamp: '',
    labels: strings({ 'pod-template-hash': '7d4b9c6f5' }),
    annotations: strings(),
    nodeName: 'worker-1',
    hostIP: '192.168.1.11',
    hostNetwork: false,
    phase: 'Running',
    podIPs: ['10.1.0.7'],
    startTime: '2026-10-20T09:00:00Z',
    owner: { kind: 'ReplicaSet', name: 'orders-7d4b9c6f5' },
    ready: condition(),
    readinessGates: [],
    conditions: new Map(),
    containers: [container()],
    ...overrides,
  };
}

export function container(overrides: Partial<Container> = {}): Container {
  return {
    name: 'app',
    image: 'registry.local/shop/orders:1.4',
    isSidecar: false,
    isDefault: false,
    isIstios: false,
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    env: [],
    ...overrides,
  };
}

export function servicePort(overrides: Partial<ServicePort> = {}): ServicePort {
  return { name: 'http', port: 80, protocol: 'TCP', targetPort: '8080', appProtocol: '', ...overrides };
}

export function service(overrides: Partial<Service> = {}): Service {
  return {
    namespace: 'shop',
    name: 'orders',
    uid: 'uid-of-service',
    resourceVersion: '100',
    deletionTimestamp: '',
    labels: strings(),
    annotations: strings(),
    type: 'ClusterIP',
    clusterIPs: ['10.96.0.10'],
    ipFamilyPolicy: 'SingleStack',
    internalTrafficPolicy: 'Cluster',
    trafficDistribution: '',
    selector: strings({ app: 'orders' }),
    ports: [servicePort()],
    ...overrides,
  };
}

export function endpointPort(overrides: Partial<EndpointPort> = {}): EndpointPort {
  return { name: 'http', port: 8080, protocol: 'TCP', appProtocol: '', ...overrides };
}

export function endpoint(address: string, overrides: Partial<EndpointSlice['endpoints'][number]> = {}) {
  return { address, ready: true, serving: true, terminating: false, zone: '', target: undefined, ...overrides };
}

export function slice(overrides: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    namespace: 'shop',
    name: 'orders-x1',
    uid: 'uid-of-slice',
    resourceVersion: '100',
    deletionTimestamp: '',
    labels: strings({ [SERVICE_NAME_LABEL]: 'orders' }),
    annotations: strings(),
    addressType: 'IPv4',
    ports: [endpointPort()],
    endpoints: [endpoint('10.1.0.7', { target: { kind: 'Pod', namespace: 'shop', name: 'orders-7d4b9c6f5-abcde' } })],
    ownerUid: 'uid-of-service',
    ...overrides,
  };
}

export function instance(overrides: Partial<ServiceInstance> = {}): ServiceInstance {
  return {
    node: 'vm-1',
    nodeAddress: '10.20.0.1',
    id: 'billing-1',
    service: 'billing',
    address: '10.20.0.1',
    port: 8080,
    namedPorts: [],
    tags: [],
    meta: strings(),
    kind: '',
    status: 'passing',
    weight: 1,
    ...overrides,
  };
}

export function registration(overrides: Partial<Registration> = {}): Registration {
  return {
    node: { name: 'k8s-prod--worker-1', address: '192.168.1.11' },
    id: 'prod.shop.orders-7d4b9c6f5-abcde:orders:8080',
    service: 'orders',
    address: '10.1.0.7',
    port: 8080,
    taggedAddresses: strings(),
    tags: [],
    meta: strings({ secure: 'false' }),
    weight: 1,
    check: { status: 'passing', notes: 'notes', output: 'Pod is Ready' },
    ...overrides,
  };
}

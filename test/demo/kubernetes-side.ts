import type { KubernetesApi, Manifest } from '../rig/kubernetes.ts';
import { CLUSTER } from './consular.ts';
import { NAMESPACE } from './pods.ts';
import type { SpringApp } from './spring.ts';

/** A mirrored Service as the API server shows it; what is expected is written down by hand here, and not asked of src/. */
export interface Mirror {
  readonly service: Service | undefined;
  readonly slices: readonly Slice[];
  /** v1 Endpoints. */
  readonly endpoints: Endpoints | undefined;
}

interface Service {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly type: unknown;
  readonly selector: unknown;
  /** One that was given to this Service, and no other than before. */
  readonly clusterIP: string;
  readonly ports: readonly Port[];
}

interface Slice {
  readonly labels: Labels;
  readonly ownedByService: boolean;
  readonly addressType: unknown;
  readonly ports: readonly Port[];
  readonly endpoints: readonly { readonly addresses: readonly string[]; readonly conditions: object }[];
}

interface Endpoints {
  readonly labels: Labels;
  readonly subsets: readonly {
    readonly addresses: readonly { readonly ip: string }[];
    readonly ports: readonly Port[];
  }[];
}

interface Port {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol: string;
  readonly targetPort?: string;
}

type Labels = Readonly<Record<string, string>>;

const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;
const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;
const ENDPOINTS = `/api/v1/namespaces/${NAMESPACE}/endpoints`;

/** With every slice that anybody made for the Service: one more would double its endpoints. */
export async function readMirror(kubernetes: KubernetesApi, name: string): Promise<Mirror> {
  return readMirrorAt(kubernetes, name, '');
}

/**
 * What everything that watches the API has been told by now. An ordinary list waits until the API server's cache has
 * caught up with etcd, which takes up to 100 ms when something else was written: that would be measured, not Consular.
 */
export async function readWatchedMirror(kubernetes: KubernetesApi, name: string): Promise<Mirror> {
  return readMirrorAt(kubernetes, name, 'resourceVersion=0');
}

async function readMirrorAt(kubernetes: KubernetesApi, name: string, query: string): Promise<Mirror> {
  const [service, slices, endpoints] = await Promise.all([
    kubernetes.find(`${SERVICES}/${name}?${query}`),
    kubernetes.list(`${SLICES}?labelSelector=kubernetes.io%2Fservice-name%3D${name}&${query}`),
    kubernetes.find(`${ENDPOINTS}/${name}?${query}`),
  ]);
  return {
    service: service && readService(service),
    slices: slices.map((slice) => readSlice(slice, service?.metadata.uid)).sort(byPort),
    endpoints: endpoints && readEndpoints(endpoints),
  };
}

function readService({ metadata, spec }: Manifest): Service {
  const { type, selector, clusterIP, ports } = spec as Omit<Service, 'labels' | 'annotations'>;
  return { labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {}, type, selector, clusterIP, ports };
}

function readSlice(slice: Manifest, serviceUid: string | undefined): Slice {
  const { metadata, addressType, ports, endpoints } = slice as Manifest & Pick<Slice, 'ports' | 'endpoints'>;
  const owners = (metadata.ownerReferences ?? []) as { uid: string }[];
  const ownedByService = owners.length === 1 && owners[0]?.uid === serviceUid;
  return { labels: metadata.labels ?? {}, ownedByService, addressType, ports, endpoints };
}

function readEndpoints({ metadata, subsets }: Manifest): Endpoints {
  return { labels: metadata.labels ?? {}, subsets: (subsets ?? []) as Endpoints['subsets'] };
}

function byPort(a: { readonly ports: readonly Port[] }, b: { readonly ports: readonly Port[] }): number {
  return (a.ports[0]?.port ?? 0) - (b.ports[0]?.port ?? 0);
}

export const NO_MIRROR: Mirror = { service: undefined, slices: [], endpoints: undefined };

const OWNERSHIP = { 'app.kubernetes.io/managed-by': 'consular', 'consular.dev/cluster': CLUSTER };

export interface MirrorExpectation {
  readonly name: string;
  readonly clusterIP: string;
  /** The port of the first instance that the service ever had. */
  readonly alias: number;
  /** Each at a port of its own. */
  readonly healthy: readonly SpringApp[];
}

/** What Consular should make of a Consul service. */
export function mirror({ name, clusterIP, alias, healthy }: MirrorExpectation): Mirror {
  const servicePort = (portName: string, port: number): Port => ({
    ...{ name: portName, protocol: 'TCP', appProtocol: 'http', port, targetPort: portName },
  });
  const targetPorts = (port: number): Port[] =>
    ['main', 'alias'].map((portName) => ({ name: portName, protocol: 'TCP', appProtocol: 'http', port }));
  const inOrder = [...healthy].sort((a, b) => a.port - b.port);
  return {
    service: {
      labels: OWNERSHIP,
      annotations: {
        'consular.dev/consul-service': name,
        'consular.dev/port-choice': `80,${alias}`,
        'consul.hashicorp.com/service-sync': 'false',
      },
      type: 'ClusterIP',
      selector: undefined,
      clusterIP,
      ports: [servicePort('main', 80), servicePort('alias', alias)],
    },
    slices: inOrder.map(({ address, port }) => ({
      labels: {
        ...OWNERSHIP,
        'kubernetes.io/service-name': name,
        'endpointslice.kubernetes.io/managed-by': 'consular.dev',
      },
      ownedByService: true,
      addressType: 'IPv4',
      ports: targetPorts(port),
      endpoints: [{ addresses: [address], conditions: { ready: true, serving: true, terminating: false } }],
    })),
    endpoints: {
      labels: { ...OWNERSHIP, 'endpointslice.kubernetes.io/skip-mirror': 'true' },
      subsets: inOrder.map(({ address, port }) => ({ addresses: [{ ip: address }], ports: targetPorts(port) })),
    },
  };
}

/** Every Service of the cluster, as namespace/name. */
export async function readServiceNames(kubernetes: KubernetesApi): Promise<string[]> {
  const services = await kubernetes.list('/api/v1/services');
  return services.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
}

/** Everything in the demo's namespace with Consular's mark, and when it was last changed. */
export async function readOwned(kubernetes: KubernetesApi): Promise<string[]> {
  const selector = `?labelSelector=${encodeURIComponent('app.kubernetes.io/managed-by=consular')}`;
  const kinds = await Promise.all([SERVICES, SLICES, ENDPOINTS].map((path) => kubernetes.list(`${path}${selector}`)));
  return kinds.flat().map(({ metadata }) => `${metadata.uid} ${metadata.name} ${metadata.resourceVersion}`);
}

export interface MirrorSummary {
  readonly name: string;
  readonly clusterIP: string;
  readonly ports: readonly string[];
  readonly sliceEndpoints: readonly string[];
  readonly endpoints: readonly string[];
}

/** For people. */
export function summarize(name: string, { service, slices, endpoints }: Mirror): MirrorSummary {
  return {
    name,
    clusterIP: service?.clusterIP ?? '',
    ports: (service?.ports ?? []).map((port) => `${port.port} (${port.name})`),
    sliceEndpoints: slices.flatMap(({ endpoints: targets, ports }) =>
      targets.flatMap(({ addresses }) => addresses.map((address) => `${address}:${ports[0]?.port}`)),
    ),
    endpoints: (endpoints?.subsets ?? []).flatMap(({ addresses, ports }) =>
      addresses.map(({ ip }) => `${ip}:${ports[0]?.port}`),
    ),
  };
}

import { judgeAddress } from '../../../src/address.ts';
import type { ServiceInstance } from '../../../src/consul/types.ts';
import type { ToKubernetesConfig } from '../../../src/config/schema.ts';
import { MULTICLUSTER_SERVICE_LABEL, type EndpointSlice, type Service } from '../../../src/kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../../../src/mark.ts';
import type { MirroredPorts } from '../../../src/to-kubernetes/desired/mirrored-ports.ts';
import { desiredSlices, type DesiredSlice } from '../../../src/to-kubernetes/objects/slice.ts';
import {
  mirror,
  type MirroredEndpoint,
  type MirroredService,
  type Network,
} from '../../../src/to-kubernetes/desired/mirrored-service.ts';
import { writeHosts } from '../../../src/to-kubernetes/objects/hosts-annotation.ts';
import { endpoint, instance, service, servicePort, slice, strings, toKubernetesConfig } from '../builders.ts';

export function tcpPorts(main: number, alias?: number): MirroredPorts {
  return { protocol: 'TCP', main, alias, appProtocol: 'http' };
}

export function mirrored(overrides: Partial<MirroredService> = {}): MirroredService {
  return {
    consulService: 'Billing',
    shape: { headless: false, onlyFamily: undefined, dualStack: false },
    ports: [tcpPorts(80)],
    isGuess: false,
    endpoints: [],
    tags: [],
    ...overrides,
  };
}

/** That many endpoints: 10.20.0.0, 10.20.0.1 and so on, or fd00::0 and so on. */
export function addresses(count: number, overrides: Partial<MirroredEndpoint> = {}): MirroredEndpoint[] {
  return Array.from({ length: count }, (_, i) => ({
    address: overrides.family === 'IPv6' ? `fd00::${i.toString(16)}` : `10.20.${i >> 8}.${i & 255}`,
    family: 'IPv4',
    port: 8080,
    protocol: 'TCP',
    zone: '',
    host: '',
    instance: instance(),
    ...overrides,
  }));
}

/** What Kubernetes has once a desired slice was written. */
export function written({
  name,
  headless,
  addressType,
  hiddenFromIstio,
  ports,
  endpoints,
}: DesiredSlice): EndpointSlice {
  const hosts = writeHosts(endpoints);
  return slice({
    name,
    labels: strings({
      [LABEL.sliceManagedBy]: SLICE_MANAGER,
      ...(headless ? { [LABEL.headless]: '' } : {}),
      ...(hiddenFromIstio ? { [MULTICLUSTER_SERVICE_LABEL]: '' } : {}),
    }),
    addressType,
    ports,
    endpoints: endpoints.map(({ address, zone }) => endpoint(address, { zone })),
    annotations: strings(hosts === null ? {} : { [ANNOTATION.hosts]: hosts }),
  });
}

/** The one slice that a small mirrored service becomes, as Kubernetes has it. */
export function asSlice(service: MirroredService, name?: string): EndpointSlice {
  const [desired] = desiredSlices('billing', service, []);
  if (!desired) throw new Error('expected a service with endpoints');
  return written({ ...desired, name: name ?? desired.name });
}

/** The ports that the Service has already, by name. */
export interface ObservedPorts {
  readonly main?: number;
  readonly alias?: number;
}

/** A cluster of IPv4 in which 10.96.0.1 is the API server. */
export const NETWORK: Network = {
  judge: (text) =>
    judgeAddress(text, ({ address }) => (address === '10.96.0.1' ? 'is that of the API server' : undefined)),
  families: ['IPv4'],
};

/** What these instances become, beside a Service that may be there already. */
export function mirrorOf(
  foreign: readonly ServiceInstance[],
  config: Partial<ToKubernetesConfig> = {},
  observed?: ObservedPorts | Service,
  network: Network = NETWORK,
) {
  return mirror('Billing', foreign, toKubernetesConfig(config), observed && serviceWith(observed), network);
}

function serviceWith(observed: ObservedPorts | Service): Service {
  if ('uid' in observed) return observed;
  const ports = Object.entries(observed).map(([name, port]: [string, number]) => servicePort({ name, port }));
  return service({ ports });
}

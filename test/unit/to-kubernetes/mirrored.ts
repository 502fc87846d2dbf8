import { judgeAddress } from '../../../src/address.ts';
import type { ServiceInstance } from '../../../src/consul/types.ts';
import { MULTICLUSTER_SERVICE_LABEL, type EndpointSlice } from '../../../src/kubernetes/objects.ts';
import { desiredSlices, type DesiredSlice } from '../../../src/to-kubernetes/desired.ts';
import {
  mirror,
  type MirrorConfig,
  type MirroredEndpoint,
  type MirroredService,
} from '../../../src/to-kubernetes/mirrored-service.ts';
import { endpoint, instance, service, servicePort, slice, strings, toKubernetesConfig } from '../builders.ts';

export function mirrored(overrides: Partial<MirroredService> = {}): MirroredService {
  return {
    consulService: 'Billing',
    ports: { main: 80, alias: undefined },
    appProtocol: 'http',
    endpoints: [],
    ...overrides,
  };
}

/** That many endpoints: 10.20.0.0, 10.20.0.1 and so on, or fd00::0 and so on. */
export function addresses(count: number, overrides: Partial<MirroredEndpoint> = {}): MirroredEndpoint[] {
  return Array.from({ length: count }, (_, i) => ({
    address: overrides.family === 'IPv6' ? `fd00::${i.toString(16)}` : `10.20.${i >> 8}.${i & 255}`,
    family: 'IPv4',
    port: 8080,
    zone: '',
    instance: instance(),
    ...overrides,
  }));
}

/** What Kubernetes has once a desired slice was written. */
export function written({ name, addressType, passedOver, ports, endpoints }: DesiredSlice): EndpointSlice {
  return slice({
    name,
    labels: strings(passedOver ? { [MULTICLUSTER_SERVICE_LABEL]: '' } : {}),
    addressType,
    ports,
    endpoints: endpoints.map(({ address, zone }) => endpoint(address, { zone })),
  });
}

/** The one slice that a small mirrored service becomes, as Kubernetes has it. */
export function asSlice(service: MirroredService, name?: string): EndpointSlice {
  const [desired] = desiredSlices('billing', service, []);
  if (!desired) throw new Error('expected a service with endpoints');
  return written({ ...desired, name: name ?? desired.name });
}

/** The ports that the Service has already, by name. */
export interface Present {
  readonly main?: number;
  readonly alias?: number;
}

/** What these instances become, beside a Service that may be there already; 10.96.0.1 is the API server. */
export function mirrorOf(foreign: readonly ServiceInstance[], config: Partial<MirrorConfig> = {}, present?: Present) {
  const ports = Object.entries(present ?? {}).map(([name, port]: [string, number]) => servicePort({ name, port }));
  const given = present && service({ ports });
  return mirror('Billing', foreign, toKubernetesConfig(config), given, (text) =>
    judgeAddress(text, (address) => address === '10.96.0.1'),
  );
}

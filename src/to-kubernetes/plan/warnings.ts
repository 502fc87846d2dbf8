import type { Service } from '../../kubernetes/objects.ts';
import type { MirroredService, Mirroring } from '../desired/mirrored-service.ts';
import { familiesOf } from '../desired/service-shape.ts';

/** Something that somebody should know, although the service is mirrored. */
export interface Warning {
  readonly reason: 'NameCollision' | 'ServiceShape' | 'AddressFamily' | 'SharedAddress' | 'HostUnresolved';
  /** One sentence. */
  readonly message: string;
}

export interface WarningSources {
  readonly name: string;
  /** What its Service is called. */
  readonly serviceName: string;
  /** Other Consul services that would be called the same, when one of them is; else none. */
  readonly rivals: readonly string[];
  readonly mirroring: Mirroring;
  readonly present: Service | undefined;
  /** True when there is an Istio, which has no more of it than its slices. */
  readonly isMeshed: boolean;
}

export function warningsOf({ name, serviceName, rivals, mirroring, present, isMeshed }: WarningSources): Warning[] {
  return [
    collision(name, serviceName, rivals),
    unresolved(name, mirroring.doubtful),
    present && otherShape(name, mirroring),
    present && unservedFamily(name, mirroring.mirrored, present),
    isMeshed ? sharedAddress(name, mirroring.mirrored) : undefined,
  ].flatMap((warning) => warning ?? []);
}

function collision(name: string, serviceName: string, rivals: readonly string[]): Warning | undefined {
  if (rivals.length === 0) return undefined;
  const others = rivals.slice(0, 3).join(', ');
  const message = `Consul service ${name} is called ${serviceName} here, because its name becomes the same as that of ${others}`;
  return { reason: 'NameCollision', message };
}

export function unresolved(
  name: string,
  doubtful: Mirroring['doubtful'],
): (Warning & { readonly reason: 'HostUnresolved' }) | undefined {
  const [first, ...more] = doubtful;
  if (!first) return undefined;
  const others = more.length === 0 ? '' : `, and ${more.length} more`;
  const message = `an instance of Consul service ${name} stays at its last address: ${first.instance}: ${first.reason}${others}`;
  return { reason: 'HostUnresolved', message };
}

function otherShape(name: string, { mirrored, wantsHeadless }: Mirroring): Warning | undefined {
  if (mirrored.shape.headless === wantsHeadless) return undefined;
  const [wanted, found] = wantsHeadless ? ['headless', 'has a ClusterIP'] : ['with a ClusterIP', 'is headless'];
  const message = `Consul service ${name} should be ${wanted} and its Service ${found}, which cannot be changed: delete the Service, and it is made anew`;
  return { reason: 'ServiceShape', message };
}

function unservedFamily(name: string, { shape, endpoints }: MirroredService, present: Service): Warning | undefined {
  const served = familiesOf(present);
  if (shape.headless || shape.dualStack || served.length === 0) return undefined;
  const [first, ...more] = endpoints.filter(({ family }) => !served.includes(family));
  if (!first) return undefined;
  const count = more.length + 1;
  const message = `${count} instance${count === 1 ? '' : 's'} of Consul service ${name} get no traffic through its Service, which has no ${first.family} address because the cluster gives it none`;
  return { reason: 'AddressFamily', message };
}

/** Of all endpoints of a Service with one IP and one port name, Istio's sidecars keep one (seen on istiod 1.31-dev). */
function sharedAddress(name: string, { shape, endpoints }: MirroredService): Warning | undefined {
  if (shape.headless) return undefined;
  const seen = new Set<string>();
  const [first, ...more] = endpoints.filter(({ address }) => seen.size === seen.add(address).size);
  if (!first) return undefined;
  const count = more.length + 1;
  const message = `${count} instance${count === 1 ? '' : 's'} of Consul service ${name} may get no calls from Istio's sidecars, which know one port of each IP and ${first.address} has several: mode istio has no such limit`;
  return { reason: 'SharedAddress', message };
}

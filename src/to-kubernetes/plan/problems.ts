import { describe } from '../../json.ts';
import type { Service } from '../../kubernetes/objects.ts';
import type { MirroredService, Mirroring, RefusedInstance } from '../desired/mirrored-service.ts';
import { familiesOf } from '../desired/service-shape.ts';
import { trafficPolicies } from '../requests/traffic-policy.ts';
import { areTooLong } from '../objects/tags-annotation.ts';
import { problem, type Problem } from '../problem.ts';

/** What the problems of a mirrored service in one namespace are found in. */
export interface ProblemSources {
  readonly name: string;
  /** What its Service is called. */
  readonly serviceName: string;
  /** Other Consul services that would be called the same, when this one had to give way; else none. */
  readonly rivals: readonly string[];
  /** A Service of somebody else's that has the name. */
  readonly conflict: Service | undefined;
  /** Undefined when nothing is to be mirrored here. */
  readonly mirroring: Mirroring | undefined;
  /** The Service as it is. */
  readonly observed: Service | undefined;
  /** True when there is an Istio, which has no more of the service than its slices. */
  readonly isMeshed: boolean;
}

/** All that can be seen before anything is written. */
export function problemsOf({ name, conflict, mirroring, ...rest }: ProblemSources): Problem[] {
  const { serviceName, rivals, observed, isMeshed } = rest;
  return [
    conflict && nameConflict(name, conflict),
    ...(mirroring
      ? [
          instancesRefused(name, mirroring.refused),
          nameCollision(name, serviceName, rivals),
          hostsUnresolved(name, mirroring.doubtful),
          observed && otherShape(name, mirroring),
          tagsOmitted(name, mirroring.mirrored),
          observed && unservedFamily(name, mirroring.mirrored, observed),
          isMeshed ? sharedAddress(name, mirroring.mirrored) : undefined,
          ...(observed ? trafficPolicies(observed) : []),
        ]
      : []),
  ].flatMap((found) => found ?? []);
}

function nameConflict(name: string, service: Service): Problem {
  const message = `Consul service ${name} cannot be mirrored: a Service with the name ${service.name} exists here and is not Consular's`;
  return problem('NameConflict', message, service);
}

/** Of all of them the first three: whoever mends these finds the rest in `consular explain`. */
export function instancesRefused(name: string, refused: readonly RefusedInstance[]): Problem | undefined {
  if (refused.length === 0) return undefined;
  const shown = refused.slice(0, 3).map(({ instance, reason }) => `${instance}: ${reason}`);
  const message = `${instances(refused.length)} of Consul service ${name} cannot be an endpoint: ${shown.join('; ')}`;
  return problem('InstanceRefused', message);
}

/** Why a service is not mirrored that should be. */
export function limitReached(most: number): string {
  return `${most} services are already (toKubernetes.maxServices)`;
}

export function tooManyServices(name: string, most: number): Problem {
  const message = `Consul service ${name} is not mirrored: ${limitReached(most)}`;
  return problem('TooManyServices', message);
}

/** @param why nothing is known of its instances, in words that follow "cannot be read" */
export function unreadableService(name: string, why: string): Problem {
  return problem('UnreadableService', `Consul service ${describe(name)} cannot be read: ${why}`);
}

function nameCollision(name: string, serviceName: string, rivals: readonly string[]): Problem | undefined {
  if (rivals.length === 0) return undefined;
  const others = rivals.slice(0, 3).join(', ');
  const message = `Consul service ${name} is called ${serviceName} here, because its name becomes the same as that of ${others}`;
  return problem('NameCollision', message);
}

export function hostsUnresolved(name: string, doubtful: Mirroring['doubtful']): Problem | undefined {
  const [first, ...more] = doubtful;
  if (!first) return undefined;
  const others = more.length === 0 ? '' : `, and ${more.length} more`;
  const message = `an instance of Consul service ${name} stays at its last address: ${first.instance}: ${first.reason}${others}`;
  return problem('HostUnresolved', message);
}

function otherShape(name: string, { mirrored, wantsHeadless }: Mirroring): Problem | undefined {
  if (mirrored.shape.headless === wantsHeadless) return undefined;
  const [wanted, is] = wantsHeadless ? ['headless', 'has a ClusterIP'] : ['with a ClusterIP', 'is headless'];
  const message = `Consul service ${name} should be ${wanted} and its Service ${is}, which cannot be changed: delete the Service, and it is made anew`;
  return problem('ServiceShape', message);
}

function tagsOmitted(name: string, { tags }: MirroredService): Problem | undefined {
  if (!areTooLong(tags)) return undefined;
  const message = `the tags of Consul service ${name} are not on its Service: all ${tags.length} together are longer than the 4 KiB that its annotation may have`;
  return problem('TagsOmitted', message);
}

function unservedFamily(name: string, { shape, endpoints }: MirroredService, observed: Service): Problem | undefined {
  const served = familiesOf(observed);
  if (shape.headless || shape.dualStack || served.length === 0) return undefined;
  const unserved = endpoints.filter(({ family }) => !served.includes(family));
  const [first] = unserved;
  if (!first) return undefined;
  const message = `${instances(unserved.length)} of Consul service ${name} get no traffic through its Service, which has no ${first.family} address because the cluster gives it none`;
  return problem('AddressFamily', message);
}

/** Of all endpoints of a Service with one IP and one port name, Istio's sidecars keep one (seen on istiod 1.31-dev). */
function sharedAddress(name: string, { shape, endpoints: all }: MirroredService): Problem | undefined {
  if (shape.headless) return undefined;
  const seen = new Set<string>();
  // UDP goes past the sidecars.
  const endpoints = all.filter(({ protocol }) => protocol === 'TCP');
  const hidden = endpoints.filter(({ address }) => seen.size === seen.add(address).size);
  const [first] = hidden;
  if (!first) return undefined;
  const message = `${instances(hidden.length)} of Consul service ${name} may get no calls from Istio's sidecars, which know one port of each IP and ${first.address} has several: mode istio has no such limit`;
  return problem('SharedAddress', message);
}

function instances(count: number): string {
  return `${count} instance${count === 1 ? '' : 's'}`;
}

import { isIPv6 } from 'node:net';
import type { Family } from '../../address.ts';
import { matchesAny } from '../../config/pattern.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import type { Service } from '../../kubernetes/objects.ts';
import { saidByMost } from './majority.ts';

/** What of a Service is decided when it is made: Kubernetes does not let it be changed, or takes its address away for it. */
export interface ServiceShape {
  /** No ClusterIP: its name resolves to the addresses of its instances. */
  readonly headless: boolean;
  /** The only IP family that it has; undefined for what the cluster gives. */
  readonly onlyFamily: Family | undefined;
  /** True when it needs an address of each family. */
  readonly dualStack: boolean;
}

export interface ShapeConfig {
  /** Name patterns. */
  readonly headless: readonly string[];
}

/** How an application says that its Service should be headless, in the meta of its instances in Consul. */
const HEADLESS_META = 'consular-headless';

/** By the settings, or by most of its instances. */
export function wantsHeadless(name: string, foreign: readonly ServiceInstance[], { headless }: ShapeConfig): boolean {
  return (
    matchesAny(headless, name.toLowerCase()) || saidByMost(foreign, ({ meta }) => meta.get(HEADLESS_META) === 'true')
  );
}

export function isHeadless({ clusterIPs }: Pick<Service, 'clusterIPs'>): boolean {
  return clusterIPs.includes('None');
}

/**
 * Endpoints of a family that the Service has no ClusterIP of get no traffic from kube-proxy.
 *
 * | families of the instances      | new Service       | Service that is there                      |
 * |--------------------------------|-------------------|--------------------------------------------|
 * | the cluster's first, or none   | as the cluster does | stays                                     |
 * | one other, and only that       | of that family    | gets an address of each, if it lacks one   |
 * | both                           | of both           | gets an address of each, if it lacks one   |
 *
 * A family that the cluster does not have is not asked for: the API server would refuse the Service.
 * @param cluster the families that Services can have, its first one first
 */
export function chooseShape(
  headless: boolean,
  families: ReadonlySet<Family>,
  cluster: readonly Family[],
  observed: Service | undefined,
): ServiceShape {
  const shape: ServiceShape = { headless, onlyFamily: undefined, dualStack: false };
  if (headless) return shape;
  const wanted = cluster.filter((family) => families.has(family));
  const given = observed ? familiesOf(observed) : cluster.slice(0, 1);
  if (wanted.every((family) => given.includes(family))) return shape;
  const [only, ...others] = wanted;
  if (!observed && others.length === 0) return { ...shape, onlyFamily: only };
  return { ...shape, dualStack: true };
}

/** The families that a Service has an address of. */
export function familiesOf({ clusterIPs }: Pick<Service, 'clusterIPs'>): Family[] {
  return clusterIPs.filter((ip) => ip !== 'None').map((ip) => (isIPv6(ip) ? 'IPv6' : 'IPv4'));
}

import type { Service } from '../../kubernetes/objects.ts';
import { isHeadless } from '../desired/service-shape.ts';
import { problem, type Problem } from '../problem.ts';

/**
 * Settings of a Service that keep callers from endpoints out of Consul, which are on no node and have no hints. A headless
 * Service is resolved by DNS, and nobody routes it.
 */
export function trafficPolicies(service: Service): Problem[] {
  const { internalTrafficPolicy, trafficDistribution } = service;
  const warn = (message: string) => problem('TrafficPolicy', message);
  if (isHeadless(service)) return [];
  return [
    ...(internalTrafficPolicy === 'Local'
      ? [warn("internalTrafficPolicy Local leads to endpoints on the caller's node, and those from Consul are on none")]
      : []),
    ...(trafficDistribution === ''
      ? []
      : [
          warn(
            `trafficDistribution ${trafficDistribution} works only when every endpoint has hints, and those from Consul have none`,
          ),
        ]),
  ];
}

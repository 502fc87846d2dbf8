import type { Endpoints } from '../../kubernetes/objects.ts';
import { compare, type Changes } from '../../reconcile/changes.ts';
import type { MirroredEndpoint } from '../desired/mirrored-service.ts';
import { desiredEndpoints, sameEndpoints, type DesiredEndpoints } from '../objects/endpoints.ts';
import type { Mode } from '../objects/service.ts';
import { ourService } from './holder.ts';
import type { PlanSources } from './sources.ts';
import { byName, type Target } from './target.ts';

/**
 * | the v1 Endpoints of that name                                    |                                              |
 * |------------------------------------------------------------------|----------------------------------------------|
 * | are left of a selector that the Service had                      | go first: they hold the name                 |
 * | the Service has a selector, or is to be made with one            | are those of Kubernetes' own controller: none |
 * | `toKubernetes.endpoints` is off                                  | none                                         |
 * | anything else                                                    | kept equal                                   |
 *
 * @param mode in which the Service is to be written
 */
export function planEndpoints(
  { config, leftovers, refusals }: Pick<PlanSources, 'config' | 'leftovers' | 'refusals'>,
  { wish: { namespace }, serviceName, holder, own, mirrored }: Target,
  mode: Mode,
): Changes<DesiredEndpoints, Endpoints> {
  const left = leftovers.endpoints(ourService(holder));
  if (left.length > 0) return { create: [], update: [], remove: left };
  const hasSelector = holder.service ? holder.service.selector.size > 0 : mode === 'istio';
  const hasEndpoints = mirrored !== undefined && config.endpoints && !hasSelector;
  const isTaken = (endpoint: MirroredEndpoint) =>
    refusals.of('Endpoints', namespace, serviceName, endpoint)?.isDue !== false;
  return compare(
    byName(
      hasEndpoints
        ? [desiredEndpoints(serviceName, { ...mirrored, endpoints: mirrored.endpoints.filter(isTaken) })]
        : [],
    ),
    byName(own.endpoints),
    sameEndpoints,
  );
}

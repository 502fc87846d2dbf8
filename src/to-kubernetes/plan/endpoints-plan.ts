import type { Endpoints } from '../../kubernetes/objects.ts';
import { compare, type Changes } from '../../reconcile/changes.ts';
import type { MirroredEndpoint, RefusedInstance } from '../desired/mirrored-service.ts';
import { desiredEndpoints, sameEndpoints, type DesiredEndpoints } from '../objects/endpoints.ts';
import type { Mode } from '../objects/service.ts';
import { ourService } from './holder.ts';
import { refusalText, refusedInstance, type PlanSources, type Refusal } from './sources.ts';
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
  sources: Pick<PlanSources, 'config' | 'leftovers' | 'refusals'>,
  target: Target,
  mode: Mode,
): Changes<DesiredEndpoints, Endpoints> {
  const { serviceName, holder, own, mirrored } = target;
  const left = sources.leftovers.endpoints(ourService(holder));
  if (left.length > 0) return { create: [], update: [], remove: left };
  const refused = refusedInEndpoints(sources, target, mode);
  const isTaken = (endpoint: MirroredEndpoint) => refused.get(endpoint)?.isDue !== false;
  return compare(
    byName(
      mirrored && hasEndpoints(sources, target, mode)
        ? [desiredEndpoints(serviceName, { ...mirrored, endpoints: mirrored.endpoints.filter(isTaken) })]
        : [],
    ),
    byName(own.endpoints),
    sameEndpoints,
  );
}

/** The endpoints that the API server refuses in v1 Endpoints; none where the Service is to have no such object. */
export function refusedInEndpoints(
  sources: Pick<PlanSources, 'config' | 'refusals'>,
  target: Target,
  mode: Mode,
): Map<MirroredEndpoint, Refusal> {
  const { wish, serviceName, mirrored } = target;
  const shown = mirrored && hasEndpoints(sources, target, mode) ? mirrored.endpoints : [];
  return new Map(
    shown.flatMap((endpoint) => {
      const refusal = sources.refusals.of('Endpoints', wish.namespace, serviceName, endpoint);
      return refusal ? [[endpoint, refusal]] : [];
    }),
  );
}

/**
 * With the instances that the API server refuses in v1 Endpoints, each once, though it may be refused in slices too.
 * @param refused those that cannot be endpoints anywhere
 */
export function withRefusedInEndpoints(
  refused: readonly RefusedInstance[],
  inEndpoints: ReadonlyMap<MirroredEndpoint, Refusal>,
): RefusedInstance[] {
  const reasons = new Map(refused.map(({ instance, reason }) => [instance, reason]));
  const found = [...inEndpoints].map(([endpoint, refusal]) => refusedInstance(endpoint, refusalText(refusal)));
  for (const { instance, reason } of found) {
    const before = reasons.get(instance);
    if (before === undefined) reasons.set(instance, `in v1 Endpoints ${reason}`);
    else if (before !== reason) reasons.set(instance, `${before}; in v1 Endpoints ${reason}`);
  }
  return [...reasons].map(([instance, reason]) => ({ instance, reason }));
}

function hasEndpoints(
  { config }: Pick<PlanSources, 'config'>,
  { holder, mirrored }: Pick<Target, 'holder' | 'mirrored'>,
  mode: Mode,
): boolean {
  const hasSelector = holder.service ? holder.service.selector.size > 0 : mode === 'istio';
  return mirrored !== undefined && config.endpoints && !hasSelector;
}

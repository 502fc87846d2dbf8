import { objectKey, serviceKeyOf, type EndpointSlice } from '../../kubernetes/objects.ts';
import { compare, type Changes } from '../../reconcile/changes.ts';
import type { MirroredEndpoint, MirroredService } from '../desired/mirrored-service.ts';
import type { Spread } from '../istio/spread.ts';
import { desiredSlices, emptied, sameSlice, type DesiredSlice } from '../objects/slice.ts';
import { ourService } from './holder.ts';
import { withKept } from './kept.ts';
import type { PlanSources } from './sources.ts';
import { byName, type Target } from './target.ts';

/** Every slice of ours is to belong to the Service that has the name; what Kubernetes left of a selector goes too. */
export function planSlices(
  { views, leftovers, config }: Pick<PlanSources, 'views' | 'leftovers' | 'config'>,
  target: Target,
  spread: Spread,
): Changes<DesiredSlice, EndpointSlice> {
  const { wish, serviceName, holder, own, mirrored } = target;
  const key = objectKey({ namespace: wish.namespace, name: serviceName });
  const isOfService = (slice: EndpointSlice) => serviceKeyOf(slice) === key;
  const isTaken = (name: string) => {
    const observed = views.endpointSlices.get(objectKey({ namespace: wish.namespace, name }));
    return observed !== undefined && !own.slices.includes(observed);
  };
  const desired = mirrored ? desiredOf(target, mirrored, spread, own.slices.filter(isOfService), isTaken) : [];
  const isWanted = new Set(desired.map(({ name }) => name));
  const wishes = config.removals === 'never' ? withKept(desired, own.slices) : desired;
  const { create, update, remove } = compare(byName(wishes), byName(own.slices), (wanted, observed) => {
    const isPlaced = observed.ownerUid === holder.service?.uid && isOfService(observed);
    return sameSlice(wanted, observed) && (isPlaced || !isWanted.has(wanted.name));
  });
  return { create, update, remove: [...remove, ...leftovers.slices(ourService(holder))] };
}

function desiredOf(
  { serviceName, holder, own }: Target,
  mirrored: MirroredService,
  { plain, hiddenFromIstio }: Spread,
  observed: readonly EndpointSlice[],
  isTaken: (sliceName: string) => boolean,
): DesiredSlice[] {
  const slicesFor = (endpoints: readonly MirroredEndpoint[], hidden: boolean) =>
    desiredSlices(serviceName, { ...mirrored, endpoints }, observed, isTaken, hidden);
  const desired = [...slicesFor(plain, false), ...slicesFor(hiddenFromIstio, true)];
  // The slices are all that tells that a released Service was ours: one stays, empty, until the Consul service goes.
  const [last] = own.slices;
  if (holder.kind === 'released' && desired.length === 0 && last)
    return [emptied(last, serviceName, mirrored.consulService)];
  return desired;
}

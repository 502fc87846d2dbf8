import type { ToKubernetesConfig } from '../config/schema.ts';
import {
  objectKey,
  serviceKeyOf,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
} from '../kubernetes/objects.ts';
import { compare, isEmpty, type Changes } from '../reconcile/changes.ts';
import { ownsObject, type Owner } from '../reconcile/mark.ts';
import type { Addresses } from './addresses.ts';
import {
  desiredEndpoints,
  desiredService,
  desiredSlices,
  emptied,
  type DesiredEndpoints,
  type DesiredService,
  type DesiredSlice,
} from './desired.ts';
import type { AssignedLabel } from './labels.ts';
import { mirror, type MirroredService, type RefusedInstance } from './mirrored-service.ts';
import type { OwnObjects } from './own-objects.ts';
import { sameEndpoints, sameService, sameSlice } from './same.ts';
import { foreignInstances } from './selection.ts';
import type { Catalog, Views } from './views.ts';
import { warningsOf, type Warning } from './warnings.ts';

/** What differs for one Consul service in one namespace. */
export interface NamespacePlan {
  readonly namespace: string;
  /** The name that the Service has or should have; empty when there should be none. */
  readonly label: string;
  readonly service: Changes<DesiredService, Service>;
  readonly slices: Changes<DesiredSlice, EndpointSlice>;
  readonly endpoints: Changes<DesiredEndpoints, Endpoints>;
  /** A Service of somebody else that has the name we want: it is not touched. */
  readonly conflict: Service | undefined;
  readonly refused: readonly RefusedInstance[];
  readonly warnings: readonly Warning[];
}

/** What a plan is made from. */
export interface Sources {
  readonly owner: Owner;
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly catalog: Catalog;
  readonly own: OwnObjects;
  readonly addresses: Addresses;
}

/** What is to become of a Consul service in one namespace. */
export interface Wish {
  readonly name: string;
  readonly namespace: string;
  /** What its Service should be called; undefined when this namespace should have none. */
  readonly assigned: AssignedLabel | undefined;
  /** True when some namespace should have it. */
  readonly mirrored: boolean;
  /** True when the grace period of a service that is gone is over. */
  readonly expired: boolean;
}

/**
 * | the Service with the name we want            | Service            | slices and Endpoints                       |
 * |----------------------------------------------|--------------------|--------------------------------------------|
 * | is ours, or there is none                    | kept equal         | kept equal                                 |
 * | was ours, and its owner took the label away  | not touched        | kept equal, as long as there are any       |
 * | is somebody else's                           | not touched        | none                                       |
 *
 * Other Services that claim the same Consul service (copies that somebody made) are not touched while it is mirrored.
 */
export function planNamespace(sources: Sources, wish: Wish): NamespacePlan {
  const { owner, config, views, own } = sources;
  const { name, namespace, mirrored, expired } = wish;
  const here = (object: KubernetesObject) => object.namespace === namespace;
  const owned = mapOf(own.services(name).filter(here));
  const slices = own.slices(name).filter(here);
  const wanted = wish.assigned !== undefined;
  const { label, rivals } = wish.assigned ?? { label: '', rivals: [] };
  const occupant = views.services.get(objectKey({ namespace, name: label }));
  const hasOurSlices = (service: Service) => slices.some(({ ownerUid }) => ownerUid === service.uid);
  // Somebody took the annotation away and left the labels: still ours, and put right.
  if (occupant && ownsObject(owner, occupant.labels) && hasOurSlices(occupant)) owned.set(label, occupant);
  const conflict = occupant && !owned.has(label) ? occupant : undefined;
  const isReleased = conflict !== undefined && hasOurSlices(conflict);
  const mirroring = wanted && (!conflict || isReleased) ? mirrorOf(sources, name, occupant) : undefined;
  const service = mirroring?.mirrored;
  // With a selector, the v1 Endpoints of that name are those of Kubernetes' own controller.
  const writesEndpoints = config.endpoints && !(isReleased && conflict.hasSelector);
  const services = compare(mapOf(service && !conflict ? [desiredService(label, service)] : []), owned, sameService);
  // A namespace that is no longer configured loses its copy at once, if it is surely one that we made.
  const remove = mirrored
    ? services.remove.filter((surplus) => !wanted && hasOurSlices(surplus))
    : expired
      ? services.remove
      : [];
  return {
    namespace,
    label,
    service: { ...services, remove },
    slices: planSlices(views, { namespace, label, mirrored: service, service: occupant, slices, isReleased }),
    endpoints: compare(
      mapOf(service && writesEndpoints ? [desiredEndpoints(label, service)] : []),
      mapOf(own.endpoints(name, namespace)),
      sameEndpoints,
    ),
    conflict,
    refused: mirroring?.refused ?? [],
    warnings: mirroring ? warningsOf({ name, label, rivals, mirroring, present: occupant }) : [],
  };
}

function mirrorOf({ owner, config, catalog, addresses }: Sources, name: string, present: Service | undefined) {
  const foreign = foreignInstances(catalog.instances(name) ?? [], owner.cluster, config);
  return mirror(catalog.spelling(name), foreign, config, present, addresses.of(name));
}

interface SlicesOf {
  readonly namespace: string;
  readonly label: string;
  readonly mirrored: MirroredService | undefined;
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
  readonly isReleased: boolean;
}

function planSlices(
  { endpointSlices }: Views,
  { namespace, label, mirrored, service, slices, isReleased }: SlicesOf,
): NamespacePlan['slices'] {
  const isOfService = (slice: EndpointSlice) => serviceKeyOf(slice) === objectKey({ namespace, name: label });
  const isTaken = (name: string) => {
    const found = endpointSlices.get(objectKey({ namespace, name }));
    return found !== undefined && !slices.includes(found);
  };
  const desired = mirrored ? desiredSlices(label, mirrored, slices.filter(isOfService), isTaken) : [];
  // The slices are all that tells that a released Service was ours: one stays, empty, until the Consul service goes.
  const [last] = slices;
  if (mirrored && isReleased && desired.length === 0 && last)
    desired.push(emptied(last, label, mirrored.consulService));
  return compare(mapOf(desired), mapOf(slices), (wish, observed) => {
    return sameSlice(wish, observed) && observed.ownerUid === service?.uid && isOfService(observed);
  });
}

function mapOf<T extends { readonly name: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}

export type WrittenKind = 'Service' | 'EndpointSlice' | 'Endpoints';

/** The changes of every kind that we write. */
export function changesOf({
  service,
  slices,
  endpoints,
}: NamespacePlan): readonly (readonly [WrittenKind, Changes<{ readonly name: string }, KubernetesObject>])[] {
  return [
    ['Service', service],
    ['EndpointSlice', slices],
    ['Endpoints', endpoints],
  ];
}

/** Nothing to write, and nothing to tell anybody. */
export function isQuiet(plan: NamespacePlan): boolean {
  return (
    plan.conflict === undefined &&
    plan.refused.length + plan.warnings.length === 0 &&
    changesOf(plan).every(([, changes]) => isEmpty(changes))
  );
}

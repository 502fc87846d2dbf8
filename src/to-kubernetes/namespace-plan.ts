import type { ToKubernetesConfig } from '../config/schema.ts';
import {
  objectKey,
  serviceKeyOf,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
  type WorkloadEntry,
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
import { isCovered } from './hand-over.ts';
import { importRequest, nameWanted } from './imports/request.ts';
import type { AssignedLabel } from './labels.ts';
import { mirror, type MirroredEndpoint, type MirroredService, type RefusedInstance } from './mirrored-service.ts';
import { toHashedLabel, toLabel } from './naming.ts';
import type { OwnObjects } from './own-objects.ts';
import { sameEndpoints, sameService, sameSlice } from './same.ts';
import { foreignInstances } from './selection.ts';
import type { Catalog, Views } from './views.ts';
import { warningsOf, type Warning } from './warnings.ts';
import type { DesiredWorkloadEntry } from './workload-entries.ts';
import type { Leftovers } from './workload-leftovers.ts';
import { wishedMode, type Mode } from './workload-mode.ts';
import { planMode, planWorkloadEntries } from './workload-plan.ts';
import type { KnownPods } from './workload-pods.ts';
import { modeOf, spreadOf, type Spread } from './workload-spread.ts';

/** What differs for one Consul service in one namespace. */
export interface NamespacePlan {
  readonly namespace: string;
  /** The name that the Service has or should have; empty when there should be none. */
  readonly label: string;
  readonly service: Changes<DesiredService, Service>;
  readonly slices: Changes<DesiredSlice, EndpointSlice>;
  readonly endpoints: Changes<DesiredEndpoints, Endpoints>;
  readonly workloadEntries: Changes<DesiredWorkloadEntry, WorkloadEntry>;
  /** A Service of somebody else that has the name we want: it is not touched. */
  readonly conflict: Service | undefined;
  readonly refused: readonly RefusedInstance[];
  readonly warnings: readonly Warning[];
  /** Why it has no WorkloadEntries although it should; empty when all is as it should be. */
  readonly fallback: string;
  /** The mode that it is on its way to: more steps follow. */
  readonly switchesTo: Mode | undefined;
}

/** What a plan is made from. */
export interface Sources {
  readonly owner: Owner;
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly catalog: Catalog;
  readonly own: OwnObjects;
  readonly addresses: Addresses;
  readonly pods: KnownPods;
  readonly leftovers: Leftovers;
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
 * | ... and takes this Consul service in         | not touched        | the import's; until it has all, as before  |
 *
 * What is kept equal depends on the mode, in which it is mirrored for everybody or for Istio too: see `planMode`.
 *
 * Other Services that claim the same Consul service (copies that somebody made) are not touched while it is mirrored.
 */
export function planNamespace(sources: Sources, wish: Wish): NamespacePlan {
  const { owner, config, views, own, leftovers } = sources;
  const { name, namespace, mirrored, expired } = wish;
  const here = (object: KubernetesObject) => object.namespace === namespace;
  const owned = mapOf(own.services(name).filter(here));
  const slices = own.slices(name).filter(here);
  const entries = own.workloadEntries(name, namespace);
  // While no instance is healthy, v1 Endpoints are all that there is.
  const addressed = [...slices, ...entries, ...own.endpoints(name, namespace)];
  const wanted = wish.assigned !== undefined;
  const { label, rivals } = wish.assigned ?? { label: '', rivals: [] };
  const occupant = views.services.get(objectKey({ namespace, name: label }));
  const hasOurs = (service: Service) => addressed.some(({ ownerUid }) => ownerUid === service.uid);
  // Somebody took the annotation away and left the labels: still ours, and put right.
  if (occupant && ownsObject(owner, occupant.labels) && hasOurs(occupant)) owned.set(label, occupant);
  const conflict = occupant && !owned.has(label) ? occupant : undefined;
  const isImporting = conflict !== undefined && nameWanted(importRequest(conflict, config.importNamespaces)) === name;
  const isHandedOver = isImporting && isCovered(views, conflict, slices, entries);
  const isReleased = conflict !== undefined && hasOurs(conflict) && !isHandedOver;
  const mirroring = wanted && (!conflict || isReleased) ? mirrorOf(sources, name, occupant) : undefined;
  const service = mirroring?.mirrored;
  const wishes = isReleased ? modeOf(conflict) : (mirroring?.mode ?? 'service');
  const fallback = wishes === 'istio' ? views.workloadEntries.absence : '';
  const { mode, switchesTo, addresses } = planMode(occupant, fallback === '' ? wishes : 'service', (modes) => {
    const spread = spreadOf(service?.endpoints ?? [], modes, { ...config.istio, isPod: (ip) => sources.pods.has(ip) });
    const common = { namespace, label, mirrored: service, service: occupant };
    return {
      slices: planSlices(views, { ...common, spread, slices, isReleased }),
      workloadEntries: planWorkloadEntries(
        { ...common, endpoints: views.workloadEntries.found ? spread.entries : [], entries },
        config.istio,
      ),
    };
  });
  const isMeshed = views.workloadEntries.isServed && wishes === 'service' && switchesTo === undefined;
  const ours = conflict ? undefined : occupant;
  const services = compare(
    mapOf(service && !conflict ? [desiredService(label, service, mode)] : []),
    owned,
    sameService,
  );
  // A namespace that is no longer configured loses its copy at once, if it is surely one that we made.
  const remove = mirrored
    ? services.remove.filter((surplus) => !wanted && hasOurs(surplus))
    : expired
      ? services.remove.filter((surplus) => isMadeByUs(name, surplus))
      : [];
  return {
    namespace,
    label,
    service: { ...services, remove },
    workloadEntries: addresses.workloadEntries,
    slices: { ...addresses.slices, remove: [...addresses.slices.remove, ...leftovers.slices(ours)] },
    endpoints: planEndpoints(sources, wish, { label, mirrored: service, mode, service: occupant, ours }),
    conflict: isImporting ? undefined : conflict,
    refused: mirroring?.refused ?? [],
    warnings: mirroring ? warningsOf({ name, label, rivals, mirroring, present: occupant, isMeshed }) : [],
    fallback,
    switchesTo,
  };
}

/** Not a copy that somebody made, labels and all, for pods of their own. */
function isMadeByUs(name: string, service: Service): boolean {
  const hasOurSelector = service.selector.size === 0 || modeOf(service) === 'istio';
  return hasOurSelector && [toLabel(name), toHashedLabel(name)].includes(service.name);
}

/** @param present the Service as it is, if it is ours */
export function mirrorOf({ owner, config, catalog, addresses }: Sources, name: string, present: Service | undefined) {
  const foreign = foreignInstances(catalog.instances(name) ?? [], owner.cluster, config);
  const mirroring = mirror(catalog.spelling(name), foreign, config, present, addresses.of(name));
  // Istio lets no headless Service select WorkloadEntries.
  const mode = mirroring.mirrored.shape.headless ? ('service' as const) : wishedMode(foreign, config.mode);
  return { mode, ...mirroring };
}

interface EndpointsOf {
  readonly label: string;
  readonly mirrored: MirroredService | undefined;
  readonly mode: Mode;
  readonly service: Service | undefined;
  /** The same Service, if it is ours. */
  readonly ours: Service | undefined;
}

function planEndpoints(
  { config, own, leftovers }: Sources,
  { name, namespace }: Wish,
  { label, mirrored, mode, service, ours }: EndpointsOf,
): NamespacePlan['endpoints'] {
  // What holds the name goes first.
  const remove = leftovers.endpoints(ours);
  if (remove.length > 0) return { create: [], update: [], remove };
  // With a selector, the v1 Endpoints of that name are those of Kubernetes' own controller.
  const writes = config.endpoints && !(service ? service.selector.size > 0 : mode === 'istio');
  return compare(
    mapOf(mirrored && writes ? [desiredEndpoints(label, mirrored)] : []),
    mapOf(own.endpoints(name, namespace)),
    sameEndpoints,
  );
}

interface SlicesOf {
  readonly namespace: string;
  readonly label: string;
  readonly mirrored: MirroredService | undefined;
  readonly spread: Spread;
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
  readonly isReleased: boolean;
}

function planSlices(
  { endpointSlices }: Views,
  { namespace, label, mirrored, spread, service, slices, isReleased }: SlicesOf,
): NamespacePlan['slices'] {
  const isOfService = (slice: EndpointSlice) => serviceKeyOf(slice) === objectKey({ namespace, name: label });
  const isTaken = (name: string) => {
    const found = endpointSlices.get(objectKey({ namespace, name }));
    return found !== undefined && !slices.includes(found);
  };
  const slicesFor = (endpoints: readonly MirroredEndpoint[], passedOver: boolean) =>
    mirrored ? desiredSlices(label, { ...mirrored, endpoints }, slices.filter(isOfService), isTaken, passedOver) : [];
  const desired = [...slicesFor(spread.plain, false), ...slicesFor(spread.passedOver, true)];
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

export type WrittenKind = 'Service' | 'EndpointSlice' | 'Endpoints' | 'WorkloadEntry';

/** The changes of every kind that we write. */
export function changesOf({
  service,
  slices,
  endpoints,
  workloadEntries,
}: NamespacePlan): readonly (readonly [WrittenKind, Changes<{ readonly name: string }, KubernetesObject>])[] {
  return [
    ['Service', service],
    ['EndpointSlice', slices],
    ['Endpoints', endpoints],
    ['WorkloadEntry', workloadEntries],
  ];
}

/** Nothing to write, and nothing to tell anybody. */
export function isQuiet(plan: NamespacePlan): boolean {
  return (
    plan.conflict === undefined &&
    plan.refused.length + plan.warnings.length === 0 &&
    plan.fallback === '' &&
    changesOf(plan).every(([, changes]) => isEmpty(changes))
  );
}

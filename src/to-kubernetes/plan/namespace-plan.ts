import {
  objectKey,
  serviceKeyOf,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
  type WorkloadEntry,
} from '../../kubernetes/objects.ts';
import { compare, isEmpty, type Changes } from '../../reconcile/changes.ts';
import { ownsObject } from '../../mark.ts';
import { desiredSlices, emptied, type DesiredSlice, sameSlice } from '../objects/slice.ts';
import { isCovered } from './import-covers.ts';
import { importRequest, nameWanted } from '../requests/import-request.ts';
import type { AssignedName } from '../names/name-holders.ts';
import { type MirroredEndpoint, type MirroredService, type RefusedInstance } from '../desired/mirrored-service.ts';
import { toHashedServiceName, toServiceName } from '../names/service-name.ts';
import type { Views } from '../views.ts';
import { warningsOf, type Warning } from './warnings.ts';
import type { DesiredWorkloadEntry } from '../objects/workload-entry.ts';
import { planMode, planWorkloadEntries } from '../istio/mode-plan.ts';
import { spreadOf, type Spread } from '../istio/spread.ts';
import { desiredEndpoints, type DesiredEndpoints, sameEndpoints } from '../objects/endpoints.ts';
import { desiredService, type DesiredService, sameService, type Mode, modeOf } from '../objects/service.ts';
import { type PlanSources, mirrorOf } from './sources.ts';

/** What differs for one Consul service in one namespace. */
export interface NamespacePlan {
  readonly namespace: string;
  /** The name that the Service has or should have; empty when there should be none. */
  readonly serviceName: string;
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

/** What is to become of a Consul service in one namespace. */
export interface Wish {
  readonly name: string;
  readonly namespace: string;
  /** What its Service should be called; undefined when this namespace should have none. */
  readonly assigned: AssignedName | undefined;
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
export function planNamespace(sources: PlanSources, wish: Wish): NamespacePlan {
  const { owner, config, views, own, leftovers } = sources;
  const { name, namespace, mirrored, expired } = wish;
  const here = (object: KubernetesObject) => object.namespace === namespace;
  const owned = mapOf(own.services(name).filter(here));
  const slices = own.slices(name).filter(here);
  const entries = own.workloadEntries(name, namespace);
  // While no instance is healthy, v1 Endpoints are all that there is.
  const addressed = [...slices, ...entries, ...own.endpoints(name, namespace)];
  const wanted = wish.assigned !== undefined;
  const { serviceName, rivals } = wish.assigned ?? { serviceName: '', rivals: [] };
  const occupant = views.services.get(objectKey({ namespace, name: serviceName }));
  const hasOurs = (service: Service) => addressed.some(({ ownerUid }) => ownerUid === service.uid);
  // Somebody took the annotation away and left the labels: still ours, and put right.
  if (occupant && ownsObject(owner, occupant.labels) && hasOurs(occupant)) owned.set(serviceName, occupant);
  const conflict = occupant && !owned.has(serviceName) ? occupant : undefined;
  const isImporting = conflict !== undefined && nameWanted(importRequest(conflict, config.importNamespaces)) === name;
  const isHandedOver = isImporting && isCovered(views, conflict, slices, entries);
  const isReleased = conflict !== undefined && hasOurs(conflict) && !isHandedOver;
  const mirroring = wanted && (!conflict || isReleased) ? mirrorOf(sources, name, occupant) : undefined;
  const service = mirroring?.mirrored;
  const wishes = isReleased ? modeOf(conflict) : (mirroring?.mode ?? 'service');
  const fallback = wishes === 'istio' ? views.workloadEntries.absence : '';
  const { mode, switchesTo, addresses } = planMode(occupant, fallback === '' ? wishes : 'service', (modes) => {
    const spread = spreadOf(service?.endpoints ?? [], modes, { ...config.istio, isPod: (ip) => sources.pods.has(ip) });
    const common = { namespace, serviceName, mirrored: service, service: occupant };
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
    mapOf(service && !conflict ? [desiredService(serviceName, service, mode)] : []),
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
    serviceName,
    service: { ...services, remove },
    workloadEntries: addresses.workloadEntries,
    slices: { ...addresses.slices, remove: [...addresses.slices.remove, ...leftovers.slices(ours)] },
    endpoints: planEndpoints(sources, wish, { serviceName, mirrored: service, mode, service: occupant, ours }),
    conflict: isImporting ? undefined : conflict,
    refused: mirroring?.refused ?? [],
    warnings: mirroring ? warningsOf({ name, serviceName, rivals, mirroring, present: occupant, isMeshed }) : [],
    fallback,
    switchesTo,
  };
}

/** Not a copy that somebody made, labels and all, for pods of their own. */
function isMadeByUs(name: string, service: Service): boolean {
  const hasOurSelector = service.selector.size === 0 || modeOf(service) === 'istio';
  return hasOurSelector && [toServiceName(name), toHashedServiceName(name)].includes(service.name);
}

interface EndpointsOf {
  readonly serviceName: string;
  readonly mirrored: MirroredService | undefined;
  readonly mode: Mode;
  readonly service: Service | undefined;
  /** The same Service, if it is ours. */
  readonly ours: Service | undefined;
}

function planEndpoints(
  { config, own, leftovers }: PlanSources,
  { name, namespace }: Wish,
  { serviceName, mirrored, mode, service, ours }: EndpointsOf,
): NamespacePlan['endpoints'] {
  // What holds the name goes first.
  const remove = leftovers.endpoints(ours);
  if (remove.length > 0) return { create: [], update: [], remove };
  // With a selector, the v1 Endpoints of that name are those of Kubernetes' own controller.
  const writes = config.endpoints && !(service ? service.selector.size > 0 : mode === 'istio');
  return compare(
    mapOf(mirrored && writes ? [desiredEndpoints(serviceName, mirrored)] : []),
    mapOf(own.endpoints(name, namespace)),
    sameEndpoints,
  );
}

interface SlicesOf {
  readonly namespace: string;
  readonly serviceName: string;
  readonly mirrored: MirroredService | undefined;
  readonly spread: Spread;
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
  readonly isReleased: boolean;
}

function planSlices(
  { endpointSlices }: Views,
  { namespace, serviceName, mirrored, spread, service, slices, isReleased }: SlicesOf,
): NamespacePlan['slices'] {
  const isOfService = (slice: EndpointSlice) => serviceKeyOf(slice) === objectKey({ namespace, name: serviceName });
  const isTaken = (name: string) => {
    const found = endpointSlices.get(objectKey({ namespace, name }));
    return found !== undefined && !slices.includes(found);
  };
  const slicesFor = (endpoints: readonly MirroredEndpoint[], hiddenFromIstio: boolean) =>
    mirrored
      ? desiredSlices(serviceName, { ...mirrored, endpoints }, slices.filter(isOfService), isTaken, hiddenFromIstio)
      : [];
  const desired = [...slicesFor(spread.plain, false), ...slicesFor(spread.hiddenFromIstio, true)];
  // The slices are all that tells that a released Service was ours: one stays, empty, until the Consul service goes.
  const [last] = slices;
  if (mirrored && isReleased && desired.length === 0 && last)
    desired.push(emptied(last, serviceName, mirrored.consulService));
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

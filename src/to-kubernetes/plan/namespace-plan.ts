import {
  objectKey,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
  type WorkloadEntry,
} from '../../kubernetes/objects.ts';
import { isEmpty, type Changes } from '../../reconcile/changes.ts';
import { isGuess } from '../desired/mirrored-ports.ts';
import type { MirroredEndpoint, RefusedInstance, RepeatedEndpoint } from '../desired/mirrored-service.ts';
import { planMode, type AddressChanges } from '../istio/mode-plan.ts';
import { spreadOf } from '../istio/spread.ts';
import type { DesiredEndpoints } from '../objects/endpoints.ts';
import { modeOf, type DesiredService, type Mode } from '../objects/service.ts';
import type { DesiredSlice } from '../objects/slice.ts';
import type { DesiredWorkloadEntry } from '../objects/workload-entry.ts';
import type { Problem } from '../problem.ts';
import { planEndpoints, refusedInEndpoints, withRefusedInEndpoints } from './endpoints-plan.ts';
import { isGoing, withoutGoing } from './going.ts';
import { heldEndpoints, withEndpoints } from './held-endpoints.ts';
import {
  conflictOf,
  holderOf,
  isWritten,
  ourService,
  ownInNamespace,
  type Holder,
  type OwnInNamespace,
} from './holder.ts';
import { emptyEndpoints, keptOf, type Kept } from './kept.ts';
import { problemsOf } from './problems.ts';
import { planService } from './service-plan.ts';
import { planSlices } from './slice-plan.ts';
import { mirroredInstances, mirrorOf, withoutRefused, type ModedMirroring, type PlanSources } from './sources.ts';
import type { Target, Wish } from './target.ts';
import { planWorkloadEntries } from './workload-entry-plan.ts';

/** What differs for one Consul service in one namespace. */
export interface NamespacePlan {
  readonly namespace: string;
  /** The name that the Service has or should have; empty when there should be none. */
  readonly serviceName: string;
  readonly service: Changes<DesiredService, Service>;
  readonly slices: Changes<DesiredSlice, EndpointSlice>;
  readonly endpoints: Changes<DesiredEndpoints, Endpoints>;
  readonly workloadEntries: Changes<DesiredWorkloadEntry, WorkloadEntry>;
  /** A Service of somebody else's that has the name: it is not touched. */
  readonly conflict: Service | undefined;
  readonly refused: readonly RefusedInstance[];
  /** Good to know, and nothing that `run` tells: a virtual IP is registered like that. */
  readonly repeated: readonly RepeatedEndpoint[];
  readonly problems: readonly Problem[];
  /** Why it has no WorkloadEntries although it should; empty when all is as it should be. */
  readonly fallback: string;
  /** The mode that it is on its way to: more steps follow. */
  readonly switchesTo: Mode | undefined;
  /** Endpoints that stay although Consul does not show their instances: it may have lost them. */
  readonly held: readonly MirroredEndpoint[];
  /** What would go, and stays because `toKubernetes.removals` is never. */
  readonly kept: readonly Kept[];
  /** Host names of its instances, for whoever carries the plan out to have them looked up. */
  readonly hosts: readonly string[];
}

/**
 * Who holds the name decides what is written at all (`holderOf`), the mode for whom: for everybody alike, or for Istio too
 * (`planMode`). Then each kind is planned by itself.
 */
export function planNamespace(sources: PlanSources, wish: Wish): NamespacePlan {
  const { views } = sources;
  const { name, namespace, assigned } = wish;
  const { serviceName, rivals } = assigned ?? { serviceName: '', rivals: [] };
  const own = ownInNamespace(sources.own, name, namespace);
  const observed = assigned && views.services.get(objectKey({ namespace, name: serviceName }));
  const holder = holderOf(sources, name, observed, own);
  const mirroring =
    assigned && isWritten(holder)
      ? withoutRefused(
          sources,
          mirrorOf(sources, name, mirroredInstances(sources, name), observed),
          namespace,
          serviceName,
        )
      : undefined;
  const keepsAll = sources.config.removals === 'never';
  if (mirroring && !keepsAll && isWrongGuess(sources, name, holder, own, mirroring))
    return planAnew({ wish, serviceName, holder, own }, [...mirroring.hosts]);
  const held = mirroring ? heldEndpoints(sources, name, own) : [];
  const target = { wish, serviceName, holder, own, mirrored: mirroring && withEndpoints(mirroring.mirrored, held) };
  const wished = wishedModeFor(holder, mirroring);
  const fallback = wished === 'istio' ? views.workloadEntries.absenceIn(namespace) : '';
  const { mode, switchesTo, addresses } = planMode(observed, fallback === '' ? wished : 'service', (modes) =>
    planAddresses(sources, target, modes),
  );
  const conflict = conflictOf(holder);
  const refused = withRefusedInEndpoints(mirroring?.refused ?? [], refusedInEndpoints(sources, target, mode));
  const isMeshed = views.workloadEntries.isServed && wished === 'service' && switchesTo === undefined;
  const service = withoutGoing(planService(target, mode));
  const slices = withoutGoing(addresses.slices);
  const endpoints = withoutGoing(planEndpoints(sources, target, mode));
  return {
    ...{ namespace, serviceName, conflict, fallback, switchesTo, held, slices },
    service: keepsAll ? { ...service, remove: [] } : service,
    // Nothing can be said in one that keeps its callers away: it goes.
    workloadEntries: withoutGoing(addresses.workloadEntries),
    endpoints: keepsAll ? emptyEndpoints(endpoints) : endpoints,
    kept: keepsAll ? keptOf(service.remove, own.slices, slices) : [],
    refused,
    repeated: mirroring?.repeated ?? [],
    problems: problemsOf({
      ...{ name, serviceName, rivals, conflict, observed, isMeshed },
      mirroring: mirroring && { ...mirroring, refused },
    }),
    hosts: [...(mirroring?.hosts ?? [])],
  };
}

/**
 * A Service with a ClusterIP cannot become headless, nor the other way round. One that was made while no instance was an
 * endpoint, and that nobody could call since, is made anew in the shape that its first endpoint wants.
 */
function isWrongGuess(
  { catalog }: Pick<PlanSources, 'catalog'>,
  name: string,
  holder: Holder,
  own: OwnInNamespace,
  { mirrored, wantsHeadless }: ModedMirroring,
): boolean {
  const service = ourService(holder);
  return (
    service !== undefined &&
    !isGoing(service) &&
    isGuess(service) &&
    catalog.isComplete(name) &&
    own.workloadEntries.length === 0 &&
    mirrored.endpoints.length > 0 &&
    mirrored.shape.headless !== wantsHeadless &&
    own.slices.every(({ endpoints }) => endpoints.length === 0)
  );
}

/** All goes, and the next plan finds the name free. */
function planAnew(
  { wish, serviceName, holder, own }: Omit<Target, 'mirrored'>,
  hosts: readonly string[],
): NamespacePlan {
  const nothing = { create: [], update: [], remove: [] };
  const service = ourService(holder);
  return {
    ...{ namespace: wish.namespace, serviceName, conflict: undefined, fallback: '' },
    ...{ switchesTo: undefined, refused: [], repeated: [], problems: [], held: [], kept: [], hosts },
    service: { ...nothing, remove: service ? [service] : [] },
    slices: { ...nothing, remove: own.slices },
    endpoints: { ...nothing, remove: own.endpoints },
    workloadEntries: { ...nothing, remove: own.workloadEntries },
  };
}

/** The selector of a Service that was released is its owner's to write, and says the mode. */
function wishedModeFor(holder: Holder, mirroring: ModedMirroring | undefined): Mode {
  return holder.kind === 'released' ? modeOf(holder.service) : (mirroring?.mode ?? 'service');
}

function planAddresses(sources: PlanSources, target: Target, modes: readonly Mode[]): AddressChanges {
  const { istio } = sources.config;
  const isUsable = sources.views.workloadEntries.found?.views.has(target.wish.namespace) ?? false;
  const isPod = (address: string) => sources.pods.has(address);
  const spread = spreadOf(target.mirrored?.endpoints ?? [], modes, { ...istio, isPod });
  return {
    slices: planSlices(sources, target, spread),
    workloadEntries: planWorkloadEntries(istio, target, isUsable ? spread.entries : []),
  };
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
  const { problems, held, kept, repeated, fallback } = plan;
  const isUntold = problems.length + held.length + kept.length + repeated.length === 0 && fallback === '';
  return isUntold && changesOf(plan).every(([, changes]) => isEmpty(changes));
}

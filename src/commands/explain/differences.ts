import type { ImportPlan } from '../../to-kubernetes/imports/planner.ts';
import {
  endpointsDifferences,
  serviceDifferences,
  sliceDifferences,
  workloadEntryDifferences,
} from '../../to-kubernetes/objects/differences.ts';
import type { NamespacePlan, WrittenKind } from '../../to-kubernetes/plan/namespace-plan.ts';
import type { Update } from '../../reconcile/changes.ts';
import type { PlannedChange } from '../plan.ts';
import type { Difference, ExplainedChange } from './explanation.ts';

/** What differs, by the kind and key of each object that is updated. */
export type DifferencesOf = ReadonlyMap<string, readonly Difference[]>;

export function differencesIn(plan: NamespacePlan): DifferencesOf {
  const { namespace, service, slices, endpoints, workloadEntries } = plan;
  return new Map([
    ...named('Service', namespace, service.update, serviceDifferences),
    ...named('EndpointSlice', namespace, slices.update, sliceDifferences),
    ...named('Endpoints', namespace, endpoints.update, endpointsDifferences),
    ...named('WorkloadEntry', namespace, workloadEntries.update, workloadEntryDifferences),
  ]);
}

export function differencesInImport({ namespace, slices }: ImportPlan): DifferencesOf {
  return new Map(named('EndpointSlice', namespace, slices.update, sliceDifferences));
}

/** Planned changes with what differs, for those that are updates. */
export function withDifferences(changes: readonly PlannedChange[], found: DifferencesOf): ExplainedChange[] {
  return changes.map(({ action, kind, object, note }) => {
    const differences = action === 'update' ? (found.get(`${kind} ${object}`) ?? []) : [];
    return { action, kind, object, note, differences };
  });
}

/** Beside its fields an object has to belong to the Service that has the name now. */
const OWNER: Difference = { field: 'owner', desired: 'the Service of that name', observed: 'another one, or none' };

function named<D extends { readonly name: string }, O>(
  kind: WrittenKind,
  namespace: string,
  updates: readonly Update<D, O>[],
  differencesOf: (desired: D, observed: O) => Difference[],
): (readonly [string, readonly Difference[]])[] {
  return updates.map(({ desired, observed }) => {
    const found = differencesOf(desired, observed);
    return [`${kind} ${namespace}/${desired.name}`, found.length === 0 ? [OWNER] : found];
  });
}

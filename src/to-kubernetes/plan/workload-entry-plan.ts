import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { WorkloadEntry } from '../../kubernetes/objects.ts';
import { compare, type Changes } from '../../reconcile/changes.ts';
import type { MirroredEndpoint } from '../desired/mirrored-service.ts';
import { desiredWorkloadEntries, sameWorkloadEntry, type DesiredWorkloadEntry } from '../objects/workload-entry.ts';
import { byName, type Target } from './target.ts';

/** @param endpoints those that are to be WorkloadEntries */
export function planWorkloadEntries(
  config: ToKubernetesConfig['istio'],
  { serviceName, holder, own, mirrored }: Target,
  endpoints: readonly MirroredEndpoint[],
): Changes<DesiredWorkloadEntry, WorkloadEntry> {
  const desired = mirrored ? desiredWorkloadEntries(serviceName, mirrored, endpoints, config, own.workloadEntries) : [];
  return compare(byName(desired), byName(own.workloadEntries), (wanted, observed) => {
    return sameWorkloadEntry(wanted, observed) && observed.ownerUid === holder.service?.uid;
  });
}

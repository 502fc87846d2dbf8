import type { EndpointSlice, Service, WorkloadEntry } from '../../kubernetes/objects.ts';
import type { Changes } from '../../reconcile/changes.ts';
import type { DesiredSlice } from '../objects/slice.ts';
import type { DesiredWorkloadEntry } from '../objects/workload-entry.ts';
import { type Mode, modeOf } from '../objects/service.ts';

/** What carries the addresses of a Service, but for v1 Endpoints: these follow its selector. */
export interface AddressChanges {
  readonly slices: Changes<DesiredSlice, EndpointSlice>;
  readonly workloadEntries: Changes<DesiredWorkloadEntry, WorkloadEntry>;
}

export interface ModePlan {
  readonly mode: Mode;
  /** Undefined when there is no other step to follow. */
  readonly switchesTo: Mode | undefined;
  readonly addresses: AddressChanges;
}

/**
 * The mode that the Service is to be written for, and its addresses. A Service switches in place, so that its ClusterIP, its
 * uid and whatever others wrote on it stay, and in steps, so that at no moment anybody is without endpoints, whatever
 * fails in between. Each step follows from what is there alone:
 *
 * | the Service         | what both modes need | the Service is written for | addresses |
 * |---------------------|----------------------|----------------------------|-----------|
 * | is not there        |                      | the wished mode            | its       |
 * | is in the wished    |                      | the wished mode            | its       |
 * | is in the other     | is not all there     | the other mode             | of both   |
 * | is in the other     | is there             | the wished mode            | of both   |
 *
 * @param planFor the addresses that a Service has which is read in all of these modes
 */
export function planMode(
  service: Service | undefined,
  wished: Mode,
  planFor: (modes: readonly Mode[]) => AddressChanges,
): ModePlan {
  const observed = service ? modeOf(service) : wished;
  if (observed === wished) return { mode: wished, switchesTo: undefined, addresses: planFor([wished]) };
  const addresses = planFor([observed, wished]);
  const isThere = ({ create, update }: Changes<unknown, unknown>) => create.length + update.length === 0;
  const mode = isThere(addresses.slices) && isThere(addresses.workloadEntries) ? wished : observed;
  return { mode, switchesTo: wished, addresses };
}

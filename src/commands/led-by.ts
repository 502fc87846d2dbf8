import type { KubernetesClient } from '../kubernetes/client.ts';
import { createLeaseApi, type LeaseName } from '../kubernetes/lease.ts';
import { explainError } from '../observability/log.ts';
import { LEASE_MS } from './writes-off.ts';

/** How the process that leads is stopped, for people. */
export const HOW_TO_STOP = 'Stop Consular first, each replica of it: kubectl scale deployment consular --replicas=0';

/**
 * Who keeps a command from getting the right to write, in a sentence; none where nobody holds the Lease. Whether a holder still
 * renews the Lease is only known to who looks for a while, as the command does when it takes it.
 * @param lease undefined where nobody is elected
 */
export async function ledBy(kubernetes: KubernetesClient, lease: LeaseName | undefined): Promise<string[]> {
  if (!lease) return [];
  const name = `Lease ${lease.namespace}/${lease.name}`;
  try {
    const found = await createLeaseApi(kubernetes, lease).read(AbortSignal.timeout(LEASE_MS));
    if (!found || found.holderIdentity === '') return [];
    const { holderIdentity, renewTime } = found;
    const renewed = renewTime === '' ? '' : `, renewed at ${renewTime}`;
    return [
      `${holderIdentity} holds the ${name}${renewed}: as long as it renews it, nothing can be removed. ${HOW_TO_STOP} --namespace ${lease.namespace}`,
    ];
  } catch (error) {
    return [`whether a daemon leads is not known: ${explainError(error)}`];
  }
}

import type { ChangeLog } from '../../observability/change-log.ts';
import type { Log } from '../../observability/log.ts';
import type { Changes } from '../../reconcile/changes.ts';
import { differencesOf } from '../observed/differences.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { PodPlan } from '../plan/pod-plan.ts';
import type { Given } from '../plan/proof.ts';
import type { Registration } from '../registration/registration.ts';

/** A reason names so many fields. */
const MOST_FIELDS = 5;

/** Tells the log what Consul took for a pod, an instance at a time. @param plan by which it was written */
export function logChanges(
  log: Pick<ChangeLog, 'note'>,
  podKey: string,
  { create, update, remove }: Changes<Registration, OwnInstance>,
  plan: Pick<PodPlan, 'whyGone'> | undefined,
): void {
  const note = (action: 'registered' | 'changed' | 'deregistered', registration: Registration, why: () => string) => {
    const { service, id, node, address, port } = registration;
    log.note('to-consul', podKey, action, service, () => {
      return { instance: id, node: node.name, address: `${address}:${port}`, reason: why() };
    });
  };
  for (const registration of create) note('registered', registration, () => registration.check.output);
  for (const { desired, observed } of update) note('changed', desired, () => whyChanged(desired, observed));
  for (const instance of remove) note('deregistered', instance.registration, () => plan?.whyGone.get(instance) ?? '');
}

/** Tells the log which of these go because an object was proven to be missing. */
export function logProven(
  log: Pick<Log, 'info'>,
  pod: string,
  going: readonly OwnInstance[],
  proven: ReadonlyMap<OwnInstance, Given> | undefined,
): void {
  for (const instance of going) {
    const given = proven?.get(instance);
    if (!given) continue;
    const { podUid: uid, registration } = instance;
    const fields = { instance: registration.id, node: registration.node.name, pod, uid, missing: given.proof.kind };
    log.info('instance without its object, deregistering', fields);
  }
}

function whyChanged(desired: Registration, observed: OwnInstance): string {
  const differences = differencesOf(desired, observed);
  const fields = differences
    .slice(0, MOST_FIELDS)
    .map(({ field, desired: to, observed: from }) => `${field} ${from} -> ${to}`);
  const more = differences.length - fields.length;
  const all =
    [...fields, ...(more > 0 ? [`and ${more} more`] : [])].join(', ') || 'its Consul node was not as it was written';
  return desired.check.status === observed.registration.check.status ? all : `${desired.check.output}: ${all}`;
}

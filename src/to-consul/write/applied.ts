import { isEmpty } from '../../reconcile/changes.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import { identityOf, sameCheck, sameService, type Registration } from '../registration/registration.ts';
import type { PodChanges } from './operations.ts';

/**
 * What of the changes Consul has taken, when nobody told: what is there by now, and what is there no more.
 * @param there of the pod, by `node/id`
 * @returns undefined when it is nothing
 */
export function appliedOf(
  { create, update, remove }: PodChanges,
  there: ReadonlyMap<string, OwnInstance>,
): PodChanges | undefined {
  const has = (registration: Registration) => {
    const found = there.get(identityOf(registration))?.registration;
    return found !== undefined && sameService(registration, found) && sameCheck(registration.check, found.check);
  };
  const applied = {
    create: create.filter(has),
    update: update.filter(({ desired }) => has(desired)),
    remove: remove.filter(({ registration }) => !there.has(identityOf(registration))),
  };
  return isEmpty(applied) ? undefined : applied;
}

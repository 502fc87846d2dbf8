import type { Update } from '../../reconcile/changes.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Registration } from '../registration/registration.ts';

/** What the check of an instance says that would be deregistered, and stays because removals are off. */
const OUTPUT =
  'kept by Consular, which would deregister it: its pod is gone, is not Ready, or asks for it no more, and toConsul.removals is never';

/** For people: why it stays. */
export const WHY_KEPT = 'toConsul.removals is never: it stays with a critical check';

/** True of an instance that says so already: nothing has to be proven of it again. */
export function isKept({ registration: { check } }: OwnInstance): boolean {
  return check.status === 'critical' && check.output === OUTPUT;
}

/**
 * What becomes of instances that would be removed while nothing may be:
 *
 * | an instance                                                     | outcome                                              |
 * |-----------------------------------------------------------------|------------------------------------------------------|
 * | of which the same plan makes another, on another Consul node    | removed: it moves, and its address is nobody's now   |
 * | any other                                                       | stays as it is, and its check is critical: who asks for passing instances only gets none |
 *
 * @param created IDs, lower case
 * @param addressOf of a Consul node as it is now
 */
export function keepInstances(
  remove: readonly OwnInstance[],
  created: ReadonlySet<string>,
  addressOf: (node: string) => string | undefined,
): {
  readonly remove: readonly OwnInstance[];
  readonly update: readonly Update<Registration, OwnInstance>[];
  readonly kept: readonly OwnInstance[];
} {
  const isMoved = ({ registration }: OwnInstance) => created.has(registration.id.toLowerCase());
  const kept = remove.filter((instance) => !isMoved(instance));
  const update = kept
    .filter((instance) => !isKept(instance))
    .map((observed) => {
      const { registration } = observed;
      const { name, address } = registration.node;
      const node = { name, address: addressOf(name) ?? address };
      const check = { ...registration.check, status: 'critical' as const, output: OUTPUT };
      return { desired: { ...registration, node, check }, observed };
    });
  return { remove: remove.filter(isMoved), update, kept };
}

import type { KubernetesObject } from '../../kubernetes/objects.ts';
import type { Changes } from '../../reconcile/changes.ts';

/** True for an object that was deleted, and that a finalizer holds. */
export function isGoing({ deletionTimestamp }: Pick<KubernetesObject, 'deletionTimestamp'>): boolean {
  return deletionTimestamp !== '';
}

/**
 * The same without the removal of what is on its way out: to delete an object a second time changes nothing, and no event
 * tells of it; the end of the object is told as ever.
 */
export function withoutGoing<D, O extends KubernetesObject>({ create, update, remove }: Changes<D, O>): Changes<D, O> {
  return { create, update, remove: remove.filter((object) => !isGoing(object)) };
}

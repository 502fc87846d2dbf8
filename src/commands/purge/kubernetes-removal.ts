import { hasStatus } from '../../kubernetes/errors.ts';
import type { ObjectApi } from '../../kubernetes/object-api.ts';
import { explainError } from '../../observability/log.ts';
import type { Remaining } from './items.ts';
import { itemOf, type OwnObject } from './kubernetes-side.ts';

/** Somebody may change an object again and again. */
const MOST_TRIES = 5;

/**
 * Deletes one object, if it is as it was seen; one that has changed since is read again, and goes if it still is ours.
 * @returns why it stays; undefined when it is gone
 */
export async function removeObject(
  api: Pick<ObjectApi, 'get' | 'remove'>,
  own: OwnObject,
): Promise<Remaining | undefined> {
  const { resource, isOurs } = own;
  const stays = (why: string): Remaining => ({ ...itemOf(own), why });
  let { observed } = own;
  try {
    for (let tries = 1; ; tries++) {
      try {
        await api.remove(resource, observed);
        return undefined;
      } catch (error) {
        if (!hasStatus(error, 409) || tries === MOST_TRIES) throw error;
      }
      const now = await api.get(resource, observed.namespace, observed.name);
      if (!now) return undefined;
      if (now.uid !== observed.uid) return stays('somebody made it anew meanwhile');
      if (!isOurs(now)) return stays('somebody took a mark of ours from it meanwhile');
      observed = now;
    }
  } catch (error) {
    return stays(explainError(error));
  }
}

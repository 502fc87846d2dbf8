import type { CatalogLists } from './catalog-lists.ts';
import { concernedBy, type ChecksInState, type Concerned } from './health-states.ts';
import type { ListSubscriber } from './shared-list.ts';

export interface HealthWatchOptions extends Pick<ListSubscriber<ChecksInState>, 'restMs'> {
  readonly lists: Pick<CatalogLists, 'critical' | 'warning'>;
  /** Told after each answer what came into or left the list since the answer before. */
  readonly onChange: (concerned: Concerned) => void;
  /** Makes the listener for failures of one list, which is told as followBlockingQuery tells. */
  readonly failureListener: (purpose: string) => (error: unknown) => void;
}

/**
 * Tells which services and nodes changed their health between two answers of the lists of critical and of warning checks.
 * Resolves with the first answer to both: from then on, no change is missed.
 */
export async function watchHealth({ lists, onChange, failureListener, restMs }: HealthWatchOptions): Promise<void> {
  await Promise.all([follow('critical'), follow('warning')]);

  function follow(status: 'critical' | 'warning'): Promise<void> {
    return new Promise((resolve) => {
      let before: ChecksInState | undefined;
      const take = (now: ChecksInState): Promise<boolean> => {
        const concerned = concernedBy(before ?? now, now);
        before = now;
        resolve();
        onChange(concerned);
        return Promise.resolve(concerned.services.size + concerned.nodes.size > 0);
      };
      const list = lists[status];
      list.subscribe({ take, restMs, onFailure: failureListener(list.purpose) });
    });
  }
}

import { inBackground } from '../background.ts';
import { followBlockingQuery, type BlockingQueryOptions } from './blocking-query.ts';
import { decodeHealthState, healthStateRequest } from './catalog.ts';
import { concernedBy, type ChecksInState, type Concerned } from './health-states.ts';

/**
 * A list that is empty wakes at every change of any check. The list of critical checks has to be quick all the same; the
 * list of warnings is empty most of the time, and says less.
 */
const PACE = { critical: { perSecond: 10 }, warning: { perSecond: 10, futilePerSecond: 1 } };

export interface HealthWatchOptions extends Pick<
  BlockingQueryOptions,
  'client' | 'timeLine' | 'brake' | 'log' | 'metrics' | 'signal' | 'clock' | 'random'
> {
  /** Told after each answer what came into or left the list since the answer before. */
  readonly onChange: (concerned: Concerned) => void;
  /** Makes the listener for failures of one list, which is told as followBlockingQuery tells. */
  readonly failureListener: (purpose: string) => (error: unknown) => void;
}

/**
 * Follows the lists of critical and of warning checks, and tells which services and nodes changed their health between two
 * answers. Resolves with the first answer to both: from then on, no change is missed.
 */
export async function watchHealth({ onChange, failureListener, ...watching }: HealthWatchOptions): Promise<void> {
  await Promise.all([follow('critical'), follow('warning')]);

  function follow(status: 'critical' | 'warning'): Promise<void> {
    return new Promise((resolve) => {
      const request = healthStateRequest(status);
      let before: ChecksInState | undefined;
      const onAnswer: BlockingQueryOptions['onAnswer'] = (answer) => {
        const now = decodeHealthState(answer, request.purpose);
        const concerned = concernedBy(before ?? now, now);
        before = now;
        resolve();
        onChange(concerned);
        return concerned.services.size + concerned.nodes.size > 0;
      };
      const onFailure = failureListener(request.purpose);
      inBackground(followBlockingQuery({ ...watching, request, onAnswer, onFailure, ...PACE[status] }));
    });
  }
}

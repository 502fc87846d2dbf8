import { sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import type { ControllerStatus } from '../../reconcile/controller.ts';

/** So long a start may take until operators are listened to, whatever still fails then. */
export const LONGEST_FIRST_PASS_MS = 60_000;
const LOOK_MS = 250;

export interface FirstPassOptions {
  /** Of each direction that runs. */
  readonly statuses: () => readonly ControllerStatus[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Resolves when each direction has looked at all there is once: before, nobody knows what is retained. That is when nothing
 * waits, goes on or fails, or after a minute.
 */
export async function untilFirstPass({ statuses, clock, signal }: FirstPassOptions): Promise<void> {
  const endMs = clock.now() + LONGEST_FIRST_PASS_MS;
  const isOver = () => statuses().every(isThrough) || clock.now() >= endMs;
  while (!signal.aborted && !isOver()) await sleep(LOOK_MS, signal, clock);
}

function isThrough({ waiting, busy, failing }: ControllerStatus): boolean {
  return waiting + busy === 0 && Object.keys(failing).length === 0;
}

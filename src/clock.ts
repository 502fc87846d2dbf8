import { sleep } from './backoff.ts';

/** Time, as loops need it: the machine's in the daemon, and set by hand in tests. */
export interface Clock {
  /** Milliseconds since some moment: for distances, and never set back. */
  now(): number;
  /** The time of day, as this machine believes. */
  date(): Date;
  /** Waits, or returns at once when the signal is or becomes aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  sleep,
};

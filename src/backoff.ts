import { systemClock, type Clock } from './clock.ts';

export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** @default Math.random */
  readonly random?: () => number;
}

/**
 * Exponential backoff with full jitter: a random wait between 0 and min(max, base * 2^attempt). Jitter over the whole
 * range spreads a herd of clients best. With base 800 ms and max 30 s the caps are 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30 s.
 * @param attempt failures so far, from 0
 */
export function backoffMs(attempt: number, { baseMs, maxMs, random = Math.random }: BackoffOptions): number {
  return random() * Math.min(maxMs, baseMs * 2 ** attempt);
}

/** What the promise resolves with, or undefined when that takes longer, or the signal aborts first. */
export async function inTime<T>(
  promise: Promise<T>,
  ms: number,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<T | undefined> {
  const done = new AbortController();
  const isOver = sleep(ms, AbortSignal.any([signal, done.signal]), clock).then(() => undefined);
  try {
    return await Promise.race([promise, isOver]);
  } finally {
    done.abort();
  }
}

/** Waits, or returns at once when there is nothing to wait for, or the signal is or becomes aborted. */
export function sleep(ms: number, signal: AbortSignal, clock: Clock = systemClock): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || ms <= 0) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end);
  });
}

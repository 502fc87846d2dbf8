import { setTimeout as sleep } from 'node:timers/promises';
import { findDifference } from './difference.ts';

/** The demo gives up after this; a step that takes a second is slow already. */
const LIMIT_MS = 30_000;
/** Every time that the demo prints is at most this much longer than the truth, plus the time of one read. */
export const LOOK_INTERVAL_MS = 5;

/**
 * Reads until the answer equals what is expected, and returns when that was, as performance.now().
 * @throws Error with what was expected and what was found last, when that takes too long
 */
export async function eventually<T>(what: string, read: () => Promise<T>, expected: T): Promise<number> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const problem = await read().then(
      (found) => findDifference(expected, found),
      // Real servers have bad moments, which are no answer about what is there.
      (error: unknown) => `expected an answer, found ${String(error)}`,
    );
    const now = performance.now();
    if (problem === undefined) return now;
    if (now > deadline) throw new Error(`${what}, within ${LIMIT_MS / 1000} s: ${problem}`);
    await sleep(LOOK_INTERVAL_MS);
  }
}

/** @throws Error with what was expected and what was found, when it is not so right now */
export async function verify<T>(what: string, read: () => Promise<T>, expected: T): Promise<void> {
  const problem = findDifference(expected, await read());
  if (problem !== undefined) throw new Error(`${what}: ${problem}`);
}

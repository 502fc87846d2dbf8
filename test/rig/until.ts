import { setTimeout as sleep } from 'node:timers/promises';

/** Generous: it only decides how long a broken thing takes to be called broken. */
const LIMIT_MS = 30_000;

/** Asks until there is an answer. The last error, or what was found instead, is in the message when there is none. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  limitMs = LIMIT_MS,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  let last: unknown;
  while (performance.now() < deadline) {
    const lookedAt = performance.now();
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    // A look that takes long takes its time from what it waits for.
    const now = performance.now();
    await sleep(Math.min(Math.max(15, now - lookedAt), Math.max(0, deadline - now)));
  }
  throw new Error(`waited ${limitMs / 1000} s in vain for ${what}`, { cause: last });
}

/** Asks until the answer equals what is expected; the difference is in the message when it never does. */
export async function untilEqual<T>(
  what: string,
  look: () => Promise<T>,
  expected: T,
  limitMs = LIMIT_MS,
): Promise<void> {
  let found: T | undefined;
  try {
    await until(what, async () => JSON.stringify((found = await look())) === JSON.stringify(expected), limitMs);
  } catch (cause) {
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`, { cause });
  }
}

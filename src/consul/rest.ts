/** How long a question rests that costs Consul much. */
export interface Rest {
  /** So many times as long as the answer took. */
  readonly inCosts: number;
  /** @default 0 */
  readonly leastMs?: number;
  readonly longestMs: number;
}

/** Of the time that an answer takes, the part that may be the network's: a Consul far away is no busy Consul. */
const NETWORK_MS = 10;

/** @param tookMs how long the answer took. @returns milliseconds until the question may be asked again */
export function restAfter(tookMs: number, { inCosts, leastMs = 0, longestMs }: Rest): number {
  return Math.min(longestMs, Math.max(leastMs, inCosts * (tookMs - NETWORK_MS)));
}

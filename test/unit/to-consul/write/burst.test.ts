import { describe, expect, it } from '@jest/globals';
import { Burst } from '../../../../src/to-consul/write/burst.ts';

/** Transactions as `[milliseconds, changes]`. */
function isOnAfter(transactions: readonly (readonly [number, number])[], now: number): boolean {
  const burst = new Burst();
  for (const [at, changes] of transactions) burst.add(changes, at);
  return burst.isOn(now);
}
/** One every so many milliseconds, for a second. */
const every = (ms: number) => Array.from({ length: Math.floor(1000 / ms) }, (_, i) => [i * ms, 1] as const);

describe('a burst', () => {
  it.each([
    ['is not on with nothing written', [], 1000, false],
    ['is not on with 20 changes a second', every(50), 1000, false],
    ['is on with 100 changes a second', every(10), 1000, true],
    ['is on right after a large transaction', [[0, 64]], 10, true],
    ['is over soon after the last of many', [...every(5), [1000, 64]], 1031, false],
    ['is not begun again by single changes after many', [...every(5), [1250, 1], [1300, 1]], 1310, false],
  ] as const)('%s', (_, transactions, now, isOn) => {
    expect(isOnAfter(transactions, now)).toBe(isOn);
  });
});

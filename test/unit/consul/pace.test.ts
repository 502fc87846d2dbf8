import { describe, expect, it } from '@jest/globals';
import { createPace } from '../../../src/consul/pace.ts';

/** How long each of `count` has to wait, when each waits as told. */
function waits(perSecond: number, count: number, before = 0): number[] {
  let now = 0;
  const pace = createPace(perSecond, () => now);
  now += before;
  return Array.from({ length: count }, () => {
    const wait = pace.wait();
    now += wait;
    return Math.round(wait);
  });
}

describe('a pace', () => {
  it('lets a burst through, then one at a time', () => {
    expect(waits(2, 13)).toEqual([...Array<number>(10).fill(0), 500, 500, 500]);
  });

  it('of one in a long time waits that long', () => {
    expect(waits(1 / 30, 12).slice(-2)).toEqual([30_000, 30_000]);
  });

  it('saves up no more than a burst', () => {
    expect(waits(2, 11, 3_600_000).slice(-2)).toEqual([0, 500]);
  });

  it('lets the next wait for those that did not', () => {
    const pace = createPace(1, () => 0);
    const last = Array.from({ length: 13 }, () => pace.wait()).slice(-3);
    expect(last).toEqual([1000, 2000, 3000]);
  });
});

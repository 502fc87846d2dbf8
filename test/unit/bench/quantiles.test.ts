import { describe, expect, it } from '@jest/globals';
import { median, quantiles } from '../../bench/quantiles.ts';

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('quantiles', () => {
  it.each([
    ['a hundred values', upTo(100), { n: 100, p50: 50, p90: 90, p99: 99, max: 100 }],
    ['values in any order, as numbers', [10, 9, 100, 2], { n: 4, p50: 9, p90: 100, p99: 100, max: 100 }],
    ['one value', [7], { n: 1, p50: 7, p90: 7, p99: 7, max: 7 }],
    ['nothing', [], { n: 0, p50: NaN, p90: NaN, p99: NaN, max: NaN }],
  ])('of %s', (_, values, expected) => {
    expect(quantiles(values)).toEqual(expected);
  });

  it('leave the values as they were', () => {
    const values = [3, 1, 2];
    expect(median(values)).toBe(2);
    expect(values).toEqual([3, 1, 2]);
  });
});

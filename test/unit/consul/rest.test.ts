import { expect, it } from '@jest/globals';
import { restAfter } from '../../../src/consul/rest.ts';

it.each([
  ['an answer of a Consul that is not busy', 10, 0],
  ['one that cost a little', 15, 200],
  ['one that cost much', 200, 7600],
  ['one that cost very much', 2000, 30_000],
])('after %s a question rests', (_, tookMs, restMs) => {
  expect(restAfter(tookMs, { inCosts: 40, longestMs: 30_000 })).toBe(restMs);
});

it('rests as long as it has to in any case', () => {
  expect(restAfter(3, { inCosts: 40, leastMs: 7000, longestMs: 30_000 })).toBe(7000);
});

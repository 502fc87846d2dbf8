import { describe, expect, it } from '@jest/globals';
import { createGrace } from '../../../src/to-kubernetes/grace.ts';

describe('the grace period', () => {
  it('begins when a name is first asked about, ends when its time is over, and begins anew after it ended', () => {
    let now = 5000;
    const grace = createGrace(
      () => 1000,
      () => now,
    );
    expect(grace.remaining('a')).toBe(1000);
    now += 400;
    expect([grace.remaining('a'), grace.remaining('b')]).toEqual([600, 1000]);
    now += 600;
    expect([grace.remaining('a'), grace.remaining('b')]).toEqual([0, 400]);
    now += 9000;
    expect(grace.remaining('a')).toBe(0);
    grace.end('a');
    expect([grace.remaining('a'), grace.remaining('b')]).toEqual([1000, 0]);
  });

  it('of no length is over at once', () => {
    expect(
      createGrace(
        () => 0,
        () => 7,
      ).remaining('a'),
    ).toBe(0);
  });
});

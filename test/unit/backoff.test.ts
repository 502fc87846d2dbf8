import { describe, expect, it } from '@jest/globals';
import { backoffMs, inTime, sleep } from '../../src/backoff.ts';
import { TestClock } from './clock.ts';

const longest = (attempt: number) => backoffMs(attempt, { baseMs: 800, maxMs: 30_000, random: () => 1 });

describe('backoffMs', () => {
  it('doubles the cap with each failure up to the maximum', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(longest)).toEqual([800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  });

  it('stays at the maximum after days of failures', () => {
    expect([31, 1024, 1e9].map(longest)).toEqual([30_000, 30_000, 30_000]);
  });

  it('jitters over the whole range, from nothing to the cap', () => {
    const options = { baseMs: 800, maxMs: 30_000 };
    expect(backoffMs(2, { ...options, random: () => 0 })).toBe(0);
    expect(backoffMs(2, { ...options, random: () => 0.25 })).toBe(800);
  });

  it('draws its own jitter when none is given', () => {
    const waits = Array.from({ length: 50 }, () => backoffMs(0, { baseMs: 1000, maxMs: 1000 }));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...waits)).toBeLessThan(1000);
    expect(new Set(waits).size).toBeGreaterThan(1);
  });
});

describe('sleep', () => {
  it('returns at once when the signal is aborted already', async () => {
    await expect(sleep(2 ** 31 - 1, AbortSignal.abort())).resolves.toBeUndefined();
  });

  it('returns when the signal aborts meanwhile', async () => {
    const stop = new AbortController();
    const sleeping = sleep(2 ** 31 - 1, stop.signal);
    stop.abort();
    await expect(sleeping).resolves.toBeUndefined();
  });

  it('returns when the time is over', async () => {
    await expect(sleep(1, new AbortController().signal)).resolves.toBeUndefined();
  });
});

describe('what is waited for', () => {
  const never = new Promise<string>(() => undefined);
  const signal = new AbortController().signal;

  it.each<[string, Promise<string>, AbortSignal, string | undefined]>([
    ['is there in time', Promise.resolve('there'), signal, 'there'],
    ['is given up when the time is over', never, signal, undefined],
    ['is given up when the signal aborts', never, AbortSignal.abort(), undefined],
  ])('%s', async (_, promise, until, expected) => {
    const clock = new TestClock();
    const waiting = inTime(promise, 1000, until, clock);
    await clock.advance(1000);
    expect(await waiting).toBe(expected);
    expect(clock.timers).toBe(0);
  });

  it('may fail in time', async () => {
    const clock = new TestClock();
    await expect(inTime(Promise.reject(new Error('reset')), 1000, signal, clock)).rejects.toThrow('reset');
    expect(clock.timers).toBe(0);
  });
});

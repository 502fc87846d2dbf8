import { describe, expect, it } from '@jest/globals';
import { RetryBrake } from '../../src/retry-brake.ts';
import { TestClock } from './clock.ts';

/** A brake before which many wait, and who was let through so far. */
function stage() {
  const clock = new TestClock();
  const brake = new RetryBrake(clock);
  const through: string[] = [];
  const unwanted = new Set<string>();
  const wait = (name: string, failures = 1, requests = 1) =>
    void brake
      .turn({ failures, requests, isWanted: () => !unwanted.has(name) })
      .then(() => (unwanted.has(name) ? undefined : through.push(name)));
  const waitMany = (count: number, name = 'many') => {
    for (let i = 0; i < count; i++) wait(`${name}-${i}`);
  };
  return { brake, clock, through, unwanted, wait, waitMany };
}

describe('retries', () => {
  it('pass at once while they are few, and less than 20 a second then', async () => {
    const { clock, through, waitMany } = stage();
    waitMany(100);
    await clock.advance(0);
    expect(through).toHaveLength(20);
    await clock.advance(1000);
    expect(through).toHaveLength(38);
    await clock.advance(1000);
    expect(through).toHaveLength(56);
  });

  it('count as the requests that they take', async () => {
    const { clock, through, wait } = stage();
    for (let i = 0; i < 30; i++) wait(`key-${i}`, 1, 3);
    await clock.advance(0);
    expect(through).toHaveLength(6);
    await clock.advance(2000);
    expect(through).toHaveLength(18);
  });

  it('of what failed least go first, whatever waits longer', async () => {
    const { clock, through, wait, waitMany } = stage();
    waitMany(20);
    for (const failures of [7, 9, 2, 5]) wait(`failed ${failures} times`, failures);
    await clock.advance(250);
    expect(through.slice(20)).toEqual([2, 5, 7, 9].map((failures) => `failed ${failures} times`));
  });

  it('that are not wanted any more take no place', async () => {
    const { clock, through, unwanted, waitMany } = stage();
    waitMany(40);
    for (let i = 20; i < 39; i++) unwanted.add(`many-${i}`);
    await clock.advance(60);
    expect(through.slice(20)).toEqual(['many-39']);
  });

  it('that go well do not count: the line goes on at once', async () => {
    const { brake, clock, through, waitMany } = stage();
    waitMany(100);
    await clock.advance(0);
    brake.giveBack(3);
    await clock.advance(0);
    expect(through).toHaveLength(23);
  });

  it('are no more at once than 20 after a quiet time, however much was given back', async () => {
    const { brake, clock, through, waitMany } = stage();
    brake.giveBack(100);
    await clock.advance(3_600_000);
    waitMany(100);
    await clock.advance(0);
    expect(through).toHaveLength(20);
  });
});

describe('a retry that cannot wait', () => {
  it('is let through while there is room, and makes the others wait for what it takes more', async () => {
    const { brake, clock, through, waitMany } = stage();
    expect([brake.tryTake(60), brake.tryTake(1)]).toEqual([true, false]);
    waitMany(1);
    await clock.advance(2000);
    expect(through).toEqual([]);
    await clock.advance(300);
    expect(through).toEqual(['many-0']);
    await clock.advance(1000);
    expect(brake.tryTake(1)).toBe(true);
  });
});

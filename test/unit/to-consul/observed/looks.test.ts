import { beforeEach, describe, expect, it } from '@jest/globals';
import { ClusterIdentityError } from '../../../../src/to-consul/identity/cluster-identity.ts';
import { LOOK_PACE, Looks, type LookPace } from '../../../../src/to-consul/observed/looks.ts';
import { owner, strings } from '../../builders.ts';
import { TestClock } from '../../clock.ts';
import { QUIET } from '../../log.ts';
import { settled } from '../../clock.ts';

let clock: TestClock;
let ended: AbortController;
/** When each look began. */
let began: number[];
/** Ends the running look. */
let end: (outcome?: boolean | Error) => Promise<void>;
let completed: number;
let nodes: number;
let failures: unknown[];
let errors: string[];

function looks(pace?: LookPace): Looks {
  clock = new TestClock();
  ended = new AbortController();
  [began, completed, failures, errors, nodes] = [[], 0, [], [], 1];
  return new Looks({
    look: () => {
      began.push(clock.now());
      return new Promise((resolve, reject) => {
        end = (outcome = true) => {
          if (outcome instanceof Error) reject(outcome);
          else resolve(outcome);
          return settled();
        };
      });
    },
    nodes: () => nodes,
    onLook: () => completed++,
    onFailure: (error) => failures.push(error),
    log: { ...QUIET, error: (message) => errors.push(message) },
    signal: ended.signal,
    clock,
    ...(pace ? { pace } : {}),
  });
}

let soon: (isForeign: boolean) => void;
beforeEach(() => {
  const made = looks();
  soon = (isForeign) => made.soon(isForeign);
});

describe('a look begins', () => {
  it('250 ms after the first wake of a burst that is of somebody else', async () => {
    soon(true);
    await clock.advance(200);
    soon(true);
    await clock.advance(1000);
    expect(began).toEqual([250]);
  });

  it('8 s after a wake of our own doing', async () => {
    soon(false);
    await clock.advance(20_000);
    expect(began).toEqual([8000]);
  });

  it('at the earlier time when both come', async () => {
    soon(false);
    await clock.advance(1000);
    soon(true);
    soon(false);
    await clock.advance(20_000);
    expect(began).toEqual([1250]);
  });

  it('not before the gap is over', async () => {
    soon(true);
    await clock.advance(250);
    await end();
    soon(true);
    await clock.advance(20_000);
    expect(began).toEqual([250, 8250]);
  });

  it('at once after a gap that is over', async () => {
    soon(true);
    await clock.advance(250);
    await end();
    await clock.advance(9750);
    soon(true);
    await clock.advance(250);
    expect(began).toEqual([250, 10_250]);
  });

  it.each([
    ['five times the look', 2000, 10_000],
    ['8 s, however short the look was', 100, 8000],
    ['30 s, however long the look was', 60_000, 30_000],
  ])('after a gap of %s', async (_, took, gap) => {
    soon(true);
    await clock.advance(250);
    await clock.advance(took);
    await end();
    soon(true);
    await clock.advance(100_000);
    expect(began).toEqual([250, 250 + took + gap]);
  });
});

describe('while only we change anything, many nodes are looked at', () => {
  it.each([
    [333, 8000],
    [1000, 24_000],
    [10_000, 120_000],
  ])('%i of them %i ms after the last look', async (count, gap) => {
    nodes = count;
    soon(true);
    await clock.advance(250);
    await end();
    soon(false);
    await clock.advance(200_000);
    expect(began).toEqual([250, 250 + gap]);
  });

  it('sooner when somebody else does', async () => {
    nodes = 10_000;
    soon(true);
    await clock.advance(250);
    await end();
    soon(false);
    await clock.advance(20_000);
    soon(true);
    await clock.advance(1000);
    expect(began).toEqual([250, 20_500]);
  });

  it('no later for somebody else when the look that comes first puts itself off', async () => {
    soon(false);
    await clock.advance(7900);
    soon(true);
    nodes = 10_000;
    await clock.advance(200_000);
    expect(began).toEqual([8000]);
  });

  it('for the first time so long after the start, however few there were then', async () => {
    soon(false);
    nodes = 1000;
    await clock.advance(200_000);
    expect(began).toEqual([24_000]);
  });
});

describe('a wake during a look', () => {
  const during = async (...wakes: readonly boolean[]) => {
    soon(true);
    await clock.advance(250);
    for (const isForeign of wakes) soon(isForeign);
    // Long enough for the gap to be longer than what a wake of our own doing waits.
    await clock.advance(2000);
    await end();
    await clock.advance(100_000);
  };

  it.each([
    ['of somebody else is followed by another look', [true], 1],
    ['of our own doing, too', [false], 1],
    ['and another make one look more', [false, true, false], 1],
    ['is none, and no look follows', [], 0],
  ])('%s', async (_, wakes, more) => {
    await during(...wakes);
    expect(began.length).toBe(1 + more);
  });

  it('that is of somebody else is not made wait by one of our own doing', async () => {
    const made = looks({ ...LOOK_PACE, firstMs: 1, gapMs: 100, gapInLooks: 0, longestGapMs: 1000, ownGapMsPerNode: 0 });
    made.soon(true);
    await clock.advance(1);
    made.soon(true);
    made.soon(false);
    await end();
    expect(clock.due).toEqual([100]);
  });
});

it('a look of which a part was hidden is followed by another', async () => {
  soon(true);
  await clock.advance(250);
  await end(false);
  expect(completed).toBe(1);
  await clock.advance(8000);
  expect(began).toEqual([250, 8250]);
  await end();
  await clock.advance(100_000);
  expect([began.length, completed]).toEqual([2, 2]);
});

describe('a look that fails', () => {
  it('is tried again with a backoff, and told until it succeeds', async () => {
    soon(true);
    await clock.advance(250);
    const failure = new Error('no leader');
    await end(failure);
    await clock.advance(1000);
    expect([began.length, completed, failures]).toEqual([2, 0, [failure]]);
    await end();
    expect([completed, failures]).toEqual([1, [failure, undefined]]);
    await clock.advance(100_000);
    expect(began.length).toBe(2);
    expect(errors).toEqual(['our Consul nodes could not be read again']);
  });

  it("says so when the reason is another installation's node", async () => {
    soon(true);
    await clock.advance(250);
    await end(new ClusterIdentityError(owner, { name: 'k8s-prod--x', address: '', meta: strings(), modifyIndex: 1 }));
    expect(errors).toEqual(['another installation uses this cluster name']);
  });
});

it('nothing is looked at after the end of the process', async () => {
  soon(true);
  await clock.advance(250);
  ended.abort();
  soon(true);
  await end(new Error('aborted'));
  soon(true);
  await clock.advance(100_000);
  expect([began.length, failures]).toEqual([1, []]);
});

it('the pace is a setting', async () => {
  const made = looks({ ...LOOK_PACE, firstMs: 10, gapMs: 20, gapInLooks: 5, longestGapMs: 30, ownGapMsPerNode: 0 });
  made.soon(true);
  await clock.advance(10);
  await end();
  made.soon(false);
  await clock.advance(20);
  expect(began).toEqual([10, 30]);
});

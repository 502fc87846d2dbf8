import { beforeEach, describe, expect, it } from '@jest/globals';
import type { CatalogLists } from '../../../../src/consul/catalog-lists.ts';
import { Distrust } from '../../../../src/consul/distrust.ts';
import type { ListSubscriber } from '../../../../src/consul/shared-list.ts';
import type { Checked } from '../../../../src/consul/types.ts';
import { followDrift, type Follow } from '../../../../src/to-consul/observed/drift.ts';
import { answer as answerOf } from '../../consul/answers.ts';
import { owner } from '../../builders.ts';
import { WORKER_1 } from '../instances.ts';
import { TestClock } from '../../clock.ts';
import { QUIET } from '../../log.ts';

/** A list that is followed, by us alone or not. */
interface Query extends Pick<Parameters<Follow>[0], 'onFailure'> {
  readonly onAnswer: (index: number, checks: ReadonlyMap<string, Checked>) => unknown;
  readonly restMs: (index: number, costMs: number) => number | undefined;
}

const NAMES = 'read service names';
const NODES = 'read Consul nodes of prod';

let clock: TestClock;
let queries: Map<string, Query>;
/** What the next looks find. */
let drifted: string[];
let ourIndex: number;
let otherChecks: string[];
let told: string[];
let distrust: Distrust;
/** Nodes that cannot be read. */
let unreadable: string[];
/** How many nodes the brake lets be read. */
let room: number;
/** A transaction of ours came back. */
let committed: () => void;

beforeEach(() => {
  clock = new TestClock();
  queries = new Map();
  [drifted, ourIndex, otherChecks, told, room, unreadable] = [[], 0, [], [], 10, []];
  distrust = new Distrust(clock);
  followDrift({
    owner,
    own: {
      nodeCount: 1,
      look: (onDrift) => {
        told.push(`look after ${clock.now()}`);
        onDrift(new Set(drifted));
        return Promise.resolve(true);
      },
      refresh: (node) =>
        unreadable.includes(node) ? Promise.reject(new Error('reset')) : Promise.resolve(new Set([`pod on ${node}`])),
      doubt: (node) => told.push(`doubt ${node}`),
      isOurDoing: (index) => index <= ourIndex,
      onCommit: (listener) => (committed = listener),
      forgetIndexes: () => told.push('forget'),
      nodesWithOtherChecks: (status, listed) => {
        told.push(`${status}: ${[...listed].join()}`);
        return new Set(otherChecks);
      },
    },
    lists: {
      names: listOf<readonly string[]>(NAMES, []),
      critical: listOf('read critical checks'),
      warning: listOf('read warning checks'),
    } satisfies CatalogLists,
    distrust,
    brake: { tryTake: () => room-- > 0 },
    follow: ({ request, onAnswer, onFailure, restMs }) =>
      queries.set(request.purpose, {
        onAnswer: (index) => onAnswer(answerOf([], { index })),
        restMs: (index, costMs) => restMs?.(answerOf([], { index }), costMs),
        onFailure,
      }),
    onDrift: (podKeys) => told.push(...[...podKeys].map((podKey) => `drift ${podKey}`)),
    onFailure: (what, error) => told.push(error === undefined ? `again: ${what}` : `failure: ${what}`),
    onLook: () => told.push('looked'),
    log: QUIET,
    signal: new AbortController().signal,
    clock,
  });
});

const queryOf = (purpose: string): Query => {
  const query = queries.get(purpose);
  if (!query) throw new Error(`find query ${purpose}: found ${[...queries.keys()].join()}`);
  return query;
};

/** @param list what it says, where that matters to nobody. @default what the test says */
function listOf<T = ReadonlyMap<string, Checked>>(purpose: string, list?: T) {
  const subscribe = ({ take, onFailure, restMs }: ListSubscriber<T>) =>
    void queries.set(purpose, {
      onAnswer: (index, checks) => take(list ?? (checks as T), index),
      ...{ onFailure, restMs },
    });
  return { purpose, subscribe, endRest: () => undefined };
}

async function answer(purpose: string, index: number, checks: readonly string[] = []) {
  const checked = { node: '', service: 'orders' };
  await queryOf(purpose).onAnswer(index, new Map(checks.map((check) => [check, checked])));
}

/** What was told since the last time. */
async function after(ms: number): Promise<string[]> {
  await clock.advance(ms);
  return told.splice(0);
}

describe('the lists of services and of our nodes', () => {
  it.each([NAMES, NODES])('%s: the first answer is followed by a look, with time', async (purpose) => {
    await answer(purpose, 5);
    expect((await after(7999)).filter((what) => what.startsWith('look'))).toEqual([]);
    expect(await after(1)).toEqual(['look after 8000', 'looked']);
  });

  it.each([NAMES, NODES])('%s: a wake of somebody else is followed by a look at once', async (purpose) => {
    await answer(purpose, 5);
    await after(10_000);
    drifted = ['shop/a'];
    await answer(purpose, 6);
    expect((await after(8000)).slice(-3)).toEqual(['look after 16000', 'drift shop/a', 'looked']);
  });

  it('a wake of our own doing can wait', async () => {
    await answer(NODES, 5);
    await after(100_000);
    ourIndex = 6;
    await answer(NODES, 6);
    expect(await after(7999)).toEqual([]);
    expect(await after(1)).toEqual(['look after 108000', 'looked']);
  });

  it.each([NAMES, NODES])('%s: an index that went back makes all indexes worthless', async (purpose) => {
    await answer(purpose, 5);
    await after(100_000);
    await answer(purpose, 4);
    expect((await after(250)).slice(-3)).toEqual(['forget', 'look after 100250', 'looked']);
    ourIndex = 4;
    await answer(purpose, 4);
    expect((await after(8000)).filter((what) => what === 'forget')).toEqual([]);
  });

  it.each([NAMES, NODES])('%s: so do answers that come again', async (purpose) => {
    queryOf(purpose).onFailure(new Error('no leader'));
    expect(await after(10_000)).toEqual([`failure: ${purpose}`]);
    queryOf(purpose).onFailure(undefined);
    expect(await after(250)).toEqual([`again: ${purpose}`, 'forget', 'look after 10250', 'looked']);
  });

  it('a sign that time went back in Consul does the same', async () => {
    distrust.begin('early-answer');
    expect(await after(250)).toEqual(['forget', 'look after 250', 'looked']);
  });

  it.each([NAMES, NODES])('%s: an answer without an index went nowhere', async (purpose) => {
    await answer(purpose, 5);
    await answer(purpose, 0);
    await answer(purpose, 5);
    expect((await after(100_000)).filter((what) => what === 'forget')).toEqual([]);
  });

  it('a commit of ours is followed by a look, with time, whatever the lists say', async () => {
    for (let ms = 0; ms < 40_000; ms += 1000) {
      committed();
      await clock.advance(1000);
    }
    const looks = told.filter((what) => what.startsWith('look after'));
    expect(looks).toEqual([8000, 16_000, 24_000, 32_000, 40_000].map((ms) => `look after ${ms}`));
  });

  it.each([
    [NAMES, 'our own doing, of a small catalog', 6, 5, 7000],
    [NAMES, 'our own doing, of a large one', 6, 210, 20_000],
    [NAMES, 'our own doing, of one that is larger still', 6, 800, 30_000],
    [NAMES, 'of somebody else, of a small catalog', 7, 5, 0],
    [NAMES, 'of somebody else, of one that is larger still', 7, 810, 16_000],
    [NODES, 'our own doing', 6, 5, 7000],
    [NODES, 'of somebody else', 7, 5, 0],
    ['read critical checks', 'our own doing', 6, 5, 7000],
    ['read warning checks', 'our own doing, of a long list', 6, 110, 10_000],
    ['read warning checks', 'of somebody else', 7, 5, 500],
  ])('%s: rests after a wake that is %s', (purpose, _, index, costMs, restMs) => {
    ourIndex = 6;
    expect(queryOf(purpose).restMs(index, costMs)).toBe(restMs);
  });
});

describe('the lists of checks', () => {
  it.each(['critical', 'warning'])('%s: tell on which nodes a check is not as we wrote it', async (status) => {
    otherChecks = [WORKER_1];
    await answer(`read ${status} checks`, 5, ['VM-1/Check']);
    expect(await after(100_000)).toEqual([`${status}: vm-1/check`, `drift pod on ${WORKER_1}`]);
  });

  it('leave nodes to a look when there are many, again and again, which reads them whole', async () => {
    otherChecks = [WORKER_1, 'worker-2', 'worker-3'];
    room = 2;
    await answer('read critical checks', 5);
    const drifts = [`drift pod on ${WORKER_1}`, 'drift pod on worker-2'];
    expect(await after(250)).toEqual(['critical: ', ...drifts, 'doubt worker-3', 'look after 250', 'looked']);
  });

  it('leave a node that cannot be read to a look, and those after it', async () => {
    otherChecks = [WORKER_1, 'worker-2', 'worker-3'];
    unreadable = ['worker-2'];
    await answer('read critical checks', 5);
    const doubts = ['doubt worker-2', 'doubt worker-3'];
    expect(await after(250)).toEqual(['critical: ', `drift pod on ${WORKER_1}`, ...doubts, 'look after 250', 'looked']);
  });

  it('have a node read once for all that they say meanwhile', async () => {
    otherChecks = [WORKER_1];
    await Promise.all([5, 6, 7].map((index) => answer('read critical checks', index, [`vm/${index}`])));
    const drift = `drift pod on ${WORKER_1}`;
    expect(await after(0)).toEqual(['critical: vm/5', drift, 'critical: vm/7', drift]);
  });

  it.each(['critical', 'warning'])('%s: need no look when they come again', async (status) => {
    queryOf(`read ${status} checks`).onFailure(new Error('no leader'));
    queryOf(`read ${status} checks`).onFailure(undefined);
    expect(await after(100_000)).toEqual([`failure: read ${status} checks`, `again: read ${status} checks`]);
  });
});

import { afterEach, describe, expect, it } from '@jest/globals';
import { ConsulError, NotApplied, TransactionConflict, UntrustworthyAnswer } from '../../../../src/consul/errors.ts';
import { rightId } from '../../../../src/consul/rights.ts';
import type { CatalogCheck, CatalogService, NodeContents } from '../../../../src/consul/types.ts';
import { removeEmptyNodes } from '../../../../src/to-consul/nodes/empty-node-remover.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';
import { TestClock } from '../../clock.ts';
import { TestLog } from '../../log.ts';
import { settled } from '../../clock.ts';
import { WORKER_1 } from '../instances.ts';
import { shown, TestCommitter } from '../transactions.ts';

const GRACE = 20_000;
const LOOK = GRACE / 20;
/** The longest wait between two tries at a node of which nobody knows. */
const LONGEST_BACKOFF = 30_000;
const WORKER_2 = 'k8s-prod--worker-2';

const contents = (name: string, more: Partial<NodeContents> = {}): NodeContents => ({
  node: { name, address: '192.168.1.11', meta: strings(nodeMeta(owner)), modifyIndex: 12 },
  services: [],
  checks: [],
  index: 14,
  ...more,
});

/** A remover whose Consul, clock and picture are the test's. */
class Stage {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly committer = new TestCommitter();
  readonly stopping = new AbortController();
  /** Our empty nodes, each with the number of its last commit. */
  readonly empty = new Map([[WORKER_1, 1]]);
  readonly inConsul = new Map<string, NodeContents>([WORKER_1, WORKER_2].map((name) => [name, contents(name)]));
  readonly reserved = new Set<string>();
  /** Nodes that a write may be on its way to. */
  readonly busy = new Set<string>();
  readonly reads: string[] = [];
  readonly own = {
    emptyNodes: () => this.empty,
    nodeRemoved: (name: string) => void this.empty.delete(name),
    commitBegins: () => void this.onTheirWay++,
    commitEnds: () => void this.onTheirWay--,
  };
  onTheirWay = 0;
  /** What the token may not write. */
  readonly denied = new Set<string>();
  isFollowing = true;
  witness = () => Promise.resolve();

  constructor() {
    void removeEmptyNodes({
      nodes: {
        read: (name, consistent) => {
          this.reads.push(`${name}${consistent ? ' consistently' : ''}`);
          return Promise.resolve(this.inConsul.get(name));
        },
      },
      absence: { assertBelievable: () => this.witness(), tokenTerm: 0 },
      committer: this.committer,
      owner,
      own: this.own,
      reserve: (node) => this.#reserve(node),
      graceMs: GRACE,
      isFollowing: () => this.isFollowing,
      denied: {
        isDenied: (right) => this.denied.has(rightId(right)),
        deny: (right) => void this.denied.add(rightId(right)),
      },
      log: this.log,
      clock: this.clock,
      signal: this.stopping.signal,
    });
  }

  /** The operations of each transaction. */
  get sent(): string[] {
    return this.committer.sent.flatMap(({ operations }) => shown(operations));
  }

  /** The first look only sees since when. */
  untilDue(): Promise<void> {
    return this.clock.advance(GRACE + LOOK);
  }

  fail(error: unknown): Promise<void> {
    this.committer.sent.at(-1)?.fail(error);
    return settled();
  }

  #reserve(node: string): (() => void) | undefined {
    if (this.busy.has(node)) return undefined;
    this.reserved.add(node);
    return () => this.reserved.delete(node);
  }
}

const REMOVAL = `delete-cas node ${WORKER_1} @12`;
const service = { id: 'squatter', service: 'squatter' } as CatalogService;
const stages: Stage[] = [];

function stage(): Stage {
  const stage = new Stage();
  stages.push(stage);
  return stage;
}
afterEach(() => {
  for (const stage of stages.splice(0)) stage.stopping.abort();
});

describe('a node that has been empty for long enough', () => {
  it('is removed by its index, after a consistent read, and kept from the writer all the while', async () => {
    const on = stage();
    await on.clock.advance(GRACE);
    expect(on.sent).toEqual([]);
    await on.clock.advance(LOOK);
    expect(on.reads).toEqual([`${WORKER_1} consistently`]);
    expect(on.sent).toEqual([REMOVAL]);
    expect([on.reserved, on.onTheirWay]).toEqual([new Set([WORKER_1]), 1]);
    on.committer.sent[0]?.commit();
    await settled();
    expect([on.empty.size, on.reserved.size, on.onTheirWay]).toEqual([0, 0, 0]);
    expect(on.log.of('info')).toEqual(['removed empty Consul node']);
  });

  it('and is gone from Consul is forgotten without a write', async () => {
    const on = stage();
    on.inConsul.delete(WORKER_1);
    await on.untilDue();
    expect([on.sent, on.empty.size]).toEqual([[], 0]);
  });

  it('is removed one at a time', async () => {
    const on = stage();
    on.empty.set(WORKER_2, 1);
    await on.untilDue();
    expect(on.sent).toEqual([REMOVAL]);
    on.committer.sent[0]?.commit();
    await settled();
    expect(on.sent).toEqual([REMOVAL, `delete-cas node ${WORKER_2} @12`]);
  });

  const check = { checkId: 'probe' } as CatalogCheck;
  const another = { name: WORKER_1, address: '', meta: strings(), modifyIndex: 12 };
  it.each<[string, Partial<NodeContents>]>([
    ['a service of somebody else is on it', { services: [service] }],
    ['a check of somebody else is on it', { checks: [check] }],
    ['it is not ours', { node: another }],
  ])('stays when %s, and is looked at again after as long', async (_, more) => {
    const on = stage();
    on.inConsul.set(WORKER_1, contents(WORKER_1, more));
    await on.untilDue();
    expect([on.sent, on.reads.length, on.reserved.size]).toEqual([[], 1, 0]);
    on.inConsul.set(WORKER_1, contents(WORKER_1));
    await on.clock.advance(GRACE - LOOK);
    expect(on.reads).toHaveLength(1);
    await on.clock.advance(2 * LOOK);
    expect(on.sent).toEqual([REMOVAL]);
  });

  it('stays while a write to it may be on its way', async () => {
    const on = stage();
    on.busy.add(WORKER_1);
    await on.untilDue();
    expect([on.sent, on.reads]).toEqual([[], []]);
  });

  it('stays while anything is not read or not followed', async () => {
    const on = stage();
    on.isFollowing = false;
    await on.untilDue();
    expect([on.sent, on.reads]).toEqual([[], []]);
    on.isFollowing = true;
    await on.clock.advance(LOOK);
    expect(on.sent).toEqual([REMOVAL]);
  });

  it('stays while the witness is missing, and is tried again at the next look', async () => {
    const on = stage();
    on.witness = () => Promise.reject(new UntrustworthyAnswer('read witness consul', 'a catalog without it'));
    await on.untilDue();
    expect([on.sent, on.reads, on.reserved.size]).toEqual([[], [`${WORKER_1} consistently`], 0]);
    expect(on.log.of('warn')).toEqual(['empty Consul node could not be removed']);
    on.witness = () => Promise.resolve();
    await on.clock.advance(LOOK);
    expect(on.sent).toEqual([REMOVAL]);
  });

  it('stays when it was in use between two looks', async () => {
    const on = stage();
    await on.clock.advance(GRACE);
    on.empty.set(WORKER_1, 2);
    await on.clock.advance(GRACE);
    expect(on.sent).toEqual([]);
    await on.clock.advance(LOOK);
    expect(on.sent).toEqual([REMOVAL]);
  });
});

describe('a removal', () => {
  it('that Consul refused is settled: the node changed, and must be empty as long again', async () => {
    const on = stage();
    await on.untilDue();
    await on.fail(new TransactionConflict([{ index: 0, what: 'index is stale' }]));
    expect(on.reserved.size).toBe(0);
    await on.clock.advance(GRACE - LOOK);
    expect(on.sent).toEqual([REMOVAL]);
    await on.clock.advance(2 * LOOK);
    expect(on.sent).toEqual([REMOVAL, REMOVAL]);
  });

  it('that the ACLs refuse is not sent again until the right may be there, and keeps no other node', async () => {
    const on = stage();
    on.empty.set(WORKER_2, 1);
    await on.untilDue();
    const what = `Permission denied: token with AccessorID 'a' lacks permission 'node:write' on "${WORKER_1}"`;
    await on.fail(new TransactionConflict([{ index: 0, what }]));
    expect([[...on.denied], on.reserved.size]).toEqual([[`node ${WORKER_1}`], 0]);
    await on.clock.advance(LOOK);
    expect(on.sent).toEqual([REMOVAL, `delete-cas node ${WORKER_2} @12`]);
    on.committer.sent[1]?.commit();
    await on.clock.advance(2 * GRACE);
    expect(on.sent).toHaveLength(2);
    expect(on.log.of('warn')).toEqual([]);
    on.denied.clear();
    await on.clock.advance(LOOK);
    expect(on.sent.at(-1)).toBe(REMOVAL);
  });

  it('that is refused for want of the right to the key of the fence says nothing of the right to the node', async () => {
    const on = stage();
    await on.untilDue();
    const what = `Permission denied: token with AccessorID 'a' lacks permission 'key:read' on "consular/prod/leader"`;
    await on.fail(new TransactionConflict([{ index: 0, what }]));
    expect(on.denied.size).toBe(0);
  });

  it('that Consul did not take (429) is tried again at the next look, and the writer may go on', async () => {
    const on = stage();
    await on.untilDue();
    await on.fail(new ConsulError('commit transaction', 429, 'slow down'));
    expect(on.reserved.size).toBe(0);
    await on.clock.advance(LOOK);
    expect(on.sent).toEqual([REMOVAL, REMOVAL]);
  });

  it.each([
    ['a lost connection', new ConsulError('commit transaction', 0, '')],
    ['an answer that makes no sense', new TypeError('expected an object')],
  ])('of which nobody knows (%s) keeps the node from the writer until it is known', async (_, error) => {
    const on = stage();
    await on.untilDue();
    await on.fail(error);
    expect(on.reserved).toEqual(new Set([WORKER_1]));
    on.witness = () => Promise.reject(new ConsulError('read witness consul', 0, ''));
    await on.clock.advance(LONGEST_BACKOFF);
    expect(on.reserved).toEqual(new Set([WORKER_1]));
    on.witness = () => Promise.resolve();
    on.inConsul.delete(WORKER_1);
    await on.clock.advance(LONGEST_BACKOFF);
    expect([on.reserved.size, on.empty.size, on.onTheirWay]).toEqual([0, 0, 0]);
    expect(on.sent).toEqual([REMOVAL]);
  });

  it('of which nobody knows is settled before the node is read: until then it may take what comes there', async () => {
    const on = stage();
    let settle: () => void = () => undefined;
    on.committer.settled = () => new Promise((resolve) => (settle = resolve));
    await on.untilDue();
    await on.fail(new ConsulError('commit transaction', 0, ''));
    on.inConsul.set(WORKER_1, contents(WORKER_1, { services: [service] }));
    await on.clock.advance(10 * LONGEST_BACKOFF);
    expect([on.reads.length, on.reserved]).toEqual([1, new Set([WORKER_1])]);
    settle();
    await settled();
    expect([on.reads.length, on.reserved.size]).toEqual([2, 0]);
    expect(on.sent).toEqual([REMOVAL]);
  });

  it('of which nobody knows keeps the node from the writer, with a backoff, while that cannot be settled', async () => {
    const on = stage();
    let tries = 0;
    on.committer.settled = () => Promise.reject(new Error(`try ${++tries}`));
    await on.untilDue();
    await on.fail(new ConsulError('commit transaction', 0, ''));
    await on.clock.advance(10 * LONGEST_BACKOFF);
    expect([on.reads.length, on.reserved]).toEqual([1, new Set([WORKER_1])]);
    expect(tries).toBeGreaterThan(3);
    expect(tries).toBeLessThan(100);
    on.committer.settled = () => Promise.resolve();
    on.inConsul.delete(WORKER_1);
    await on.clock.advance(LONGEST_BACKOFF);
    expect([on.sent, on.reserved.size, on.empty.size]).toEqual([[REMOVAL], 0, 0]);
  });

  it('that was kept from being sent is tried again at the next look, and the writer may go on', async () => {
    const on = stage();
    await on.untilDue();
    await on.fail(new NotApplied(new ConsulError('write key', 0, '')));
    expect(on.reserved.size).toBe(0);
    await on.clock.advance(LOOK);
    expect(on.sent).toEqual([REMOVAL, REMOVAL]);
  });

  it('of which nobody knows is not sent again by a daemon that is told to stop', async () => {
    const on = stage();
    let settle: () => void = () => undefined;
    on.committer.settled = () => new Promise((resolve) => (settle = resolve));
    await on.untilDue();
    await on.fail(new ConsulError('commit transaction', 0, ''));
    await on.clock.advance(LONGEST_BACKOFF);
    on.stopping.abort();
    settle();
    await settled();
    expect([on.sent, on.reads.length, on.reserved.size]).toEqual([[REMOVAL], 1, 0]);
  });

  it('that is on its way at the end is not tried again', async () => {
    const on = stage();
    await on.untilDue();
    on.stopping.abort();
    await on.fail(new ConsulError('commit transaction', 0, ''));
    expect([on.sent, on.reserved.size, on.clock.timers]).toEqual([[REMOVAL], 0, 0]);
    expect(on.log.of('warn')).toEqual([]);
  });
});

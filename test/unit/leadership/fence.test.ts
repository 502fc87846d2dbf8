import { describe, expect, it } from '@jest/globals';
import { ConsulError, FenceRefused, NotApplied, TransactionConflict } from '../../../src/consul/errors.ts';
import type { KeyValue, StoredKey } from '../../../src/consul/key-value.ts';
import type { Committed, KeyCheck } from '../../../src/consul/transaction.ts';
import { Displaced, FenceOfAnotherCluster, twoInstallations } from '../../../src/leadership/fence-errors.ts';
import { Fence, type FenceOptions } from '../../../src/leadership/fence.ts';
import { readRecord, writeRecord, type LeaseMark } from '../../../src/leadership/fence-record.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { settled, TestClock } from '../clock.ts';
import { TestLog } from '../log.ts';

const KEY = 'consular/dev/leader';
const NOTHING: Committed = { nodes: new Map(), services: new Map(), checks: new Map() };
const lost = () => new ConsulError('write', 0, '');
const denied = () => new TransactionConflict([{ index: 0, what: 'Permission denied: token lacks key:write' }]);

/** The key-value store of a Consul, as far as a fence sees it. Each write moves the index. */
class Store implements Pick<KeyValue, 'read' | 'swap'> {
  key: StoredKey | undefined;
  #index = 10;
  /** What comes of the next writes, in turn: refused, or lost before or after it was applied. */
  readonly outcomes: ('denied' | 'lost' | 'applied and lost')[] = [];
  /** What keeps the key from being read. */
  unreadable: Error | undefined;
  writes = 0;
  reads = 0;
  /** While there is one, answers are given already, and arrive only when it ends. */
  slow: Promise<void> | undefined;

  async read(): Promise<StoredKey | undefined> {
    this.reads++;
    const [{ key, unreadable }, slow] = [this, this.slow];
    if (slow) await slow;
    if (unreadable) throw unreadable;
    return key;
  }

  /** From now on answers are late, until the returned function is called. */
  slowDown(): () => void {
    let end: () => void = () => undefined;
    this.slow = new Promise((resolve) => (end = resolve));
    return () => {
      this.slow = undefined;
      end();
    };
  }

  swap(_key: string, value: string, index: number): Promise<number> {
    this.writes++;
    const outcome = this.outcomes.shift();
    if (outcome === 'denied') return Promise.reject(denied());
    if (outcome === 'lost') return Promise.reject(lost());
    if ((this.key?.index ?? 0) !== index) return Promise.reject(new TransactionConflict([{ index: 0, what: 'stale' }]));
    this.put(value);
    if (outcome !== undefined) return Promise.reject(lost());
    const written = this.#index;
    return (this.slow ?? Promise.resolve()).then(() => written);
  }

  put(value: string): void {
    this.key = { value, index: ++this.#index };
  }

  get record() {
    return this.key && readRecord(this.key.value);
  }
}

function stage(store = new Store(), clusterUid = 'uid', confirmLease?: FenceOptions['confirmLease']) {
  const signs: string[] = [];
  const displaced = { count: 0 };
  const metrics = createMetrics();
  const clock = new TestClock();
  const log = new TestLog();
  const fence = new Fence({
    ...{ clock, signal: new AbortController().signal },
    ...{ keyValue: store, owner: { cluster: 'dev', clusterUid }, holder: 'a', log, metrics },
    distrust: { begin: (sign) => void signs.push(sign) },
    onDisplaced: () => void (displaced.count += 1),
    confirmLease,
  });
  /** As Consul does: the transaction is applied when the key has the index, and refused otherwise. */
  const send = (first: KeyCheck | undefined) =>
    first && first.KV.Index !== store.key?.index ? Promise.reject(new FenceRefused('stale')) : Promise.resolve(NOTHING);
  const write = () => fence.around(send);
  const counted = async () => (await metrics.timeWentBack.get()).values.map(({ labels }) => labels.sign);
  const isFenced = async () => (await metrics.fenced.get()).values[0]?.value === 1;
  return { clock, counted, displaced, fence, isFenced, log, signs, store, write };
}

async function taken(store?: Store) {
  const staged = stage(store);
  await staged.fence.take();
  return staged;
}
/** Why a transaction was not applied; an error of its own when that was not said. */
async function whyNotApplied(write: Promise<unknown>): Promise<unknown> {
  const error: unknown = await write.catch((error: unknown) => error);
  return error instanceof NotApplied ? error.cause : new Error('expected NotApplied', { cause: error });
}
const other = (epoch: number) => writeRecord({ epoch, holder: 'b', clusterUid: 'uid' });

describe('the fence', () => {
  it('is taken with a higher epoch than any before, and stands before each transaction with its index', async () => {
    const store = new Store();
    store.put(other(41));
    const { fence, isFenced } = await taken(store);
    expect(store.record).toEqual({ epoch: 42, holder: 'a', clusterUid: 'uid' });
    const seen: unknown[] = [];
    await fence.around((first) => Promise.resolve((seen.push(first), NOTHING)));
    expect(seen).toEqual([{ KV: { Verb: 'check-index', Key: KEY, Index: store.key?.index } }]);
    expect([await isFenced(), fence.failure, fence.absence]).toEqual([true, undefined, undefined]);
  });

  it('is taken from nobody, and from a text that no Consular wrote', async () => {
    const edited = new Store();
    edited.put('by hand');
    for (const store of [new Store(), edited]) {
      await taken(store);
      expect(store.record?.epoch).toBe(1);
    }
  });

  it('is not taken from another cluster, unless that is asked for', async () => {
    const store = new Store();
    store.put(writeRecord({ epoch: 3, holder: 'b', clusterUid: 'other' }));
    const { fence } = stage(store);
    await expect(fence.take()).rejects.toThrow(FenceOfAnotherCluster);
    expect(store.record).toMatchObject({ epoch: 3, holder: 'b' });
    await fence.take({ takeOver: true });
    expect(store.record).toEqual({ epoch: 4, holder: 'a', clusterUid: 'uid' });
  });

  it('that was not taken lets nothing pass', async () => {
    expect(await whyNotApplied(stage().write())).toMatchObject({ message: expect.stringContaining('not taken yet') });
  });

  it('leaves errors of a transaction as they are', async () => {
    const { fence, store } = await taken();
    const conflict = new TransactionConflict([{ index: 3, what: 'stale' }]);
    await expect(fence.around(() => Promise.reject(conflict))).rejects.toBe(conflict);
    expect(store.writes).toBe(1);
  });
});

describe('a transaction of which nobody knows whether it is applied', () => {
  it('moves the epoch before the next is sent', async () => {
    const { fence, store, write } = await taken();
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    expect(store.record?.epoch).toBe(1);
    await write();
    expect(store.record?.epoch).toBe(2);
    await write();
    expect(store.record?.epoch).toBe(2);
  });

  it('is one with an answer that cannot be read, too', async () => {
    const { fence, store, write } = await taken();
    const unreadable = new TypeError('read transaction results: expected an object');
    await expect(fence.around(() => Promise.reject(unreadable))).rejects.toBe(unreadable);
    await write();
    expect(store.record?.epoch).toBe(2);
  });

  it('waits for those that are on their way before it moves the epoch', async () => {
    const { fence, store, write } = await taken();
    let arrive: () => void = () => undefined;
    const slow = fence.around(() => new Promise((resolve) => (arrive = () => resolve(NOTHING))));
    await settled();
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    const next = write();
    await settled();
    expect(store.record?.epoch).toBe(1);
    arrive();
    await Promise.all([slow, next]);
    expect(store.record?.epoch).toBe(2);
  });

  it.each<['lost' | 'applied and lost', number]>([
    ['applied and lost', 2],
    ['lost', 2],
  ])('whose move is %s: the key itself decides', async (outcome, epoch) => {
    const { fence, store, write } = await taken();
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    store.outcomes.push(outcome);
    const first = await write().catch((error: unknown) => error);
    // A move that was not applied leaves everything open.
    expect(first instanceof NotApplied && first.cause).toEqual(outcome === 'lost' && lost());
    await write();
    expect(store.record?.epoch).toBe(epoch);
  });

  it('and a move that comes late lets the next transaction be sent again', async () => {
    const { fence, store, write } = await taken();
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    await write();
    store.put(writeRecord({ epoch: 3, holder: 'a', clusterUid: 'uid' }));
    await expect(write()).rejects.toMatchObject({ name: 'TransactionConflict', failures: [] });
    await write();
    expect([store.record?.epoch, fence.failure]).toEqual([3, undefined]);
  });
});

describe('a fence that another has taken', () => {
  it.each([1, 9])('with epoch %d is never taken again, and nothing is written', async (epoch) => {
    const { displaced, fence, isFenced, signs, store, write } = await taken();
    store.put(other(epoch));
    await expect(write()).rejects.toThrow(TransactionConflict);
    for (const again of [1, 2]) {
      expect(await whyNotApplied(write())).toBeInstanceOf(Displaced);
      expect([again, store.record?.holder, fence.failure]).toEqual([again, 'b', expect.stringContaining('found b')]);
    }
    await fence.look();
    expect([signs, await isFenced(), displaced.count]).toEqual([[], false, 1]);
  });
});

describe('what is asked and written of the key', () => {
  const unknown = (fence: Fence) => expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);

  it('does not overtake each other: a look with a late answer leaves what was moved, and what is open', async () => {
    const { fence, store, write } = await taken();
    await unknown(fence);
    const arrive = store.slowDown();
    const look = fence.look();
    await settled();
    store.slow = undefined;
    const written = write();
    await settled();
    const unknownAgain = unknown(fence);
    await settled();
    arrive();
    await Promise.all([look, written, unknownAgain]);
    expect(store.record?.epoch).toBe(2);
    await fence.settled();
    expect(store.record?.epoch).toBe(3);
  });

  it('happens once for those that wait for the same, and again for who asks after it began', async () => {
    const { fence, signs, store } = await taken();
    const arrive = store.slowDown();
    store.key = undefined;
    const looks = [fence.look()];
    await settled();
    looks.push(fence.look(), fence.look());
    await settled();
    const before = store.reads;
    arrive();
    await Promise.all(looks);
    expect([store.reads - before, signs, fence.failure, fence.epoch]).toEqual([1, ['fence-lost'], undefined, 2]);
  });

  it('keeps no transaction from being sent', async () => {
    const { fence, store, write } = await taken();
    const arrive = store.slowDown();
    const look = fence.look();
    await settled();
    await Promise.all([write(), write()]);
    arrive();
    await look;
  });

  it('does not wait for a transaction that waits for it', async () => {
    const { fence, store, write } = await taken();
    let refuse: () => void = () => undefined;
    const refused = fence.around(() => new Promise((_, reject) => (refuse = () => reject(new FenceRefused('stale')))));
    await settled();
    await unknown(fence);
    const next = write();
    await settled();
    expect(store.record?.epoch).toBe(1);
    refuse();
    await expect(refused).rejects.toMatchObject({ name: 'TransactionConflict', failures: [] });
    await next;
    expect(store.record?.epoch).toBe(2);
  });

  it('never gives back a fence that another has taken, however late a move is answered', async () => {
    const { displaced, fence, store, write } = await taken();
    await unknown(fence);
    const arrive = store.slowDown();
    const late = write().catch((error: unknown) => error);
    await settled();
    expect(store.record?.epoch).toBe(2);
    store.put(other(9));
    store.slow = undefined;
    const look = fence.look();
    await settled();
    arrive();
    await Promise.all([late, look]);
    expect(await whyNotApplied(write())).toBeInstanceOf(Displaced);
    expect([fence.epoch, displaced.count, store.record?.holder]).toEqual([undefined, 1, 'b']);
    await expect(fence.take()).rejects.toThrow(Displaced);
    expect(store.record?.holder).toBe('b');
  });
});

describe('a fence of a leader by a Lease', () => {
  const lease = { uid: 'l', transitions: 3 };

  it("says by which, and is not taken or written anew when that is another's by now", async () => {
    const store = new Store();
    const held = { is: true };
    const confirm = () => (held.is ? Promise.resolve(lease) : Promise.reject(new Error('held by b')));
    const { fence, write } = stage(store, 'uid', confirm);
    held.is = false;
    await expect(fence.take()).rejects.toThrow('held by b');
    expect([store.writes, fence.epoch]).toEqual([0, undefined]);
    held.is = true;
    await fence.take();
    expect(store.record).toEqual({ epoch: 1, holder: 'a', clusterUid: 'uid', lease });
    held.is = false;
    store.key = undefined;
    expect(await whyNotApplied(write())).toMatchObject({ message: 'held by b' });
    expect([store.key, fence.failure]).toEqual([undefined, 'held by b']);
  });

  it.each<[string, string | undefined, number, string[], number]>([
    ['has no key', undefined, 7, ['fence-lost'], 8],
    ['has a lower epoch', other(6), 7, ['fence-lost'], 8],
    ['has that epoch', other(7), 7, [], 8],
    ['has a higher epoch', other(9), 7, [], 10],
    ['has a key, and the Lease tells of none', other(9), 0, [], 10],
    ['has a key, and the Lease tells of what is no number', other(9), NaN, [], 10],
    ['has no key, and the Lease tells of what is no number', undefined, NaN, [], 1],
    ['has no key, and the Lease tells of half an epoch', undefined, 2.5, [], 1],
    ['has no key, and the Lease tells of an epoch below all', undefined, -3, [], 1],
    ['has no key, and the Lease tells of an epoch beyond all', undefined, Infinity, [], 1],
  ])('whose Lease tells of an epoch sees that time went back where Consul %s', async (_, value, epoch, signs, next) => {
    const store = new Store();
    if (value !== undefined) store.put(value);
    const staged = stage(store, 'uid', () => Promise.resolve(lease));
    await staged.fence.take({ epoch });
    expect([staged.signs, store.record?.epoch]).toEqual([signs, next]);
  });

  it.each<[string, string, number, boolean]>([
    [
      'another Lease',
      writeRecord({ epoch: 5, holder: 'b', clusterUid: 'uid', lease: { uid: 'x', transitions: 3 } }),
      4,
      true,
    ],
    [
      'this Lease before it was made anew',
      writeRecord({ epoch: 5, holder: 'b', clusterUid: 'uid', lease: { uid: 'x', transitions: 3 } }),
      5,
      false,
    ],
    ['the same Lease', writeRecord({ epoch: 5, holder: 'b', clusterUid: 'uid', lease }), 4, false],
    ['no Lease', other(5), 4, false],
  ])(
    'is taken from a process with %s, which is an error in the log only with another',
    async (_, value, epoch, isTold) => {
      const store = new Store();
      store.put(value);
      const { fence, log } = stage(store, 'uid', () => Promise.resolve(lease));
      await fence.take({ epoch });
      expect(store.record).toMatchObject({ epoch: 6, holder: 'a', lease });
      expect(log.of('error')).toEqual(isTold ? ['took the fence from a process with another Lease'] : []);
    },
  );

  it('says that there are two installations only where both processes lead by a Lease, and not by one', () => {
    const found = (mark?: LeaseMark) => ({ epoch: 7, holder: 'b', clusterUid: 'uid', lease: mark });
    const rival = { uid: 'x', transitions: 3 };
    expect(twoInstallations({ cluster: 'dev' }, found(rival), lease)?.message).toBe(
      'write to Consul: expected to lead by the Lease with uid l alone, found b, with epoch 7, which leads by the Lease with uid x: ' +
        'two installations of cluster dev. Give both the same leaderElection.namespace and leaderElection.name, or one of them ' +
        'another cluster name',
    );
    expect(twoInstallations({ cluster: 'dev' }, found({ ...lease, transitions: 9 }), lease)).toBeUndefined();
    expect(twoInstallations({ cluster: 'dev' }, found(), lease)).toBeUndefined();
    expect(twoInstallations({ cluster: 'dev' }, found(rival), undefined)).toBeUndefined();
  });

  it.each<[string, LeaseMark, string, string[]]>([
    ['fewer transitions', { uid: 'l', transitions: 4 }, 'b', ['lower-lease-transitions']],
    ['fewer transitions, of its own', { uid: 'l', transitions: 4 }, 'a', ['lower-lease-transitions']],
    ['as many, of another holder', { uid: 'l', transitions: 3 }, 'b', ['lower-lease-transitions']],
    ['as many, of its own', { uid: 'l', transitions: 3 }, 'a', []],
    ['more', { uid: 'l', transitions: 2 }, 'b', []],
    ['another uid', { uid: 'k', transitions: 9 }, 'b', []],
  ])(
    'that has %s than the key tells of shows whether time went back in Kubernetes',
    async (_, before, holder, signs) => {
      const store = new Store();
      store.put(writeRecord({ epoch: 1, holder, clusterUid: 'uid', lease: before }));
      const staged = stage(store, 'uid', () => Promise.resolve(lease));
      await staged.fence.take();
      expect(await staged.counted()).toEqual(signs);
    },
  );
});

describe('whoever wants to know that nothing is applied late', () => {
  /** What becomes of a promise, by now. */
  const stateOf = (promise: Promise<void>) => {
    const state = { is: 'waiting' };
    promise.then(
      () => (state.is = 'settled'),
      () => (state.is = 'failed'),
    );
    return state;
  };

  it('waits until the epoch is moved, if anything is open at all', async () => {
    const { fence, store } = await taken();
    await fence.settled();
    expect(store.record?.epoch).toBe(1);
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    await fence.settled();
    expect(store.record?.epoch).toBe(2);
    await fence.settled();
    expect(store.record?.epoch).toBe(2);
  });

  it('is told when the epoch cannot be moved', async () => {
    const { fence, store } = await taken();
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    store.outcomes.push('denied');
    await expect(fence.settled()).rejects.toThrow('Permission denied');
  });

  it('waits 35 s from the last of them where there is no fence', async () => {
    const store = new Store();
    store.outcomes.push('denied');
    const { clock, fence } = await taken(store);
    await fence.settled();
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    await clock.advance(20_000);
    const first = stateOf(fence.settled());
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    const second = stateOf(fence.settled());
    await clock.advance(34_999);
    expect([first.is, second.is]).toEqual(['settled', 'waiting']);
    await clock.advance(1);
    expect(second.is).toBe('settled');
  });
});

describe('a fence that is gone', () => {
  it.each<[string, (store: Store) => void]>([
    ['with its key', (store) => (store.key = undefined)],
    ['to an older state of ours', (store) => store.put(writeRecord({ epoch: 1, holder: 'a', clusterUid: 'uid' }))],
    ['to an older state of another', (store) => store.put(other(1))],
    ['because somebody edited it', (store) => store.put('by hand')],
  ])('%s is a sign, and is written anew with a higher epoch', async (_, lose) => {
    const store = new Store();
    store.put(other(4));
    const { signs, write } = await taken(store);
    lose(store);
    await expect(write()).rejects.toMatchObject({ name: 'TransactionConflict', failures: [] });
    expect([signs, store.record]).toEqual([['fence-lost'], { epoch: 6, holder: 'a', clusterUid: 'uid' }]);
    await write();
  });
});

describe('a token without the right to the key', () => {
  it('from the start writes without a fence, and says so', async () => {
    const store = new Store();
    store.outcomes.push('denied');
    const { fence, isFenced, write } = await taken(store);
    await write();
    expect([await isFenced(), fence.failure, fence.absence]).toEqual([
      false,
      undefined,
      expect.stringContaining('Permission denied'),
    ]);
  });

  it('any more writes nothing, and names the rule that is missing', async () => {
    const { fence, store } = await taken();
    store.unreadable = new ConsulError('read key', 403, 'Permission denied');
    await expect(fence.look()).rejects.toThrow('403');
    expect(fence.failure).toMatch(
      /403.*: nothing is written until the policy of the token has `key "consular\/dev\/leader" \{ policy = "write" \}`$/,
    );
    store.unreadable = undefined;
    await fence.look();
    expect([fence.failure, fence.absence]).toEqual([undefined, undefined]);
  });

  it('that may not even read it writes without, too', async () => {
    const store = new Store();
    store.unreadable = new ConsulError('read key', 403, 'Permission denied');
    const { fence } = await taken(store);
    expect(fence.absence).toContain('403');
  });

  it.each<[string, boolean, number, number, 'taken' | 'displaced']>([
    ['as it was', true, 4, 0, 'taken'],
    ['with a higher epoch', true, 5, 0, 'displaced'],
    ['that could not be read before', false, 4, 0, 'displaced'],
    ['that the Lease told of', false, 4, 4, 'taken'],
    ['above what the Lease told of', false, 5, 4, 'displaced'],
  ])('that gets it finds the record of another %s, and takes no fence from a newer one', async (_, ...given) => {
    const [isReadable, epoch, known, becomes] = given;
    const store = new Store();
    store.put(other(4));
    if (isReadable) store.outcomes.push('denied');
    else store.unreadable = new ConsulError('read key', 403, 'Permission denied');
    const { displaced, fence, write } = stage(store);
    await fence.take({ epoch: known });
    expect(fence.absence).toContain('Permission denied');
    store.unreadable = undefined;
    store.put(other(epoch));
    await fence.take();
    const isTaken = becomes === 'taken';
    expect([store.record?.holder, fence.epoch, displaced.count]).toEqual(isTaken ? ['a', 5, 0] : ['b', undefined, 1]);
    if (!isTaken) expect(await whyNotApplied(write())).toBeInstanceOf(Displaced);
  });

  it('that gets it finds its own record, or none, and takes the fence above all that was known', async () => {
    for (const lose of [true, false]) {
      const store = new Store();
      store.outcomes.push('applied and lost', 'denied');
      const { fence } = stage(store);
      await expect(fence.take({ epoch: 6 })).rejects.toThrow(ConsulError);
      await fence.take({ epoch: 6 });
      expect([fence.epoch, store.record?.epoch]).toEqual([undefined, 7]);
      if (lose) store.key = undefined;
      await fence.take();
      expect([fence.epoch, store.record?.holder]).toEqual([8, 'a']);
    }
  });

  it('that had it writes nothing until it has it again', async () => {
    const { fence, store, write } = await taken();
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    store.outcomes.push('denied', 'denied');
    for (const again of [1, 2]) {
      expect(await whyNotApplied(write())).toMatchObject({ message: expect.stringContaining('Permission denied') });
      expect([again, fence.failure]).toEqual([again, expect.stringContaining('Permission denied')]);
    }
    await write();
    expect([store.record?.epoch, fence.failure]).toEqual([2, undefined]);
  });

  it('has it again as soon as a transaction gets through, or when it is looked again, without anything to write', async () => {
    const { clock, fence, store, write } = await taken();
    for (const end of [write, () => clock.advance(5000)]) {
      store.unreadable = new ConsulError('read key', 403, 'Permission denied');
      await expect(fence.look()).rejects.toThrow('Permission denied');
      expect(fence.failure).toContain('Permission denied');
      store.unreadable = undefined;
      await end();
      expect(fence.failure).toBeUndefined();
    }
    await clock.advance(5000);
    expect(clock.timers).toBe(0);
  });

  it('that lost it with a transaction that may come late moves the epoch once it has it again', async () => {
    const { clock, fence, store } = await taken();
    await expect(fence.around(() => Promise.reject(lost()))).rejects.toThrow(ConsulError);
    store.outcomes.push('denied', 'denied');
    await expect(fence.settled()).rejects.toThrow('Permission denied');
    await clock.advance(15_000);
    expect([fence.failure, store.record?.epoch]).toEqual([undefined, 2]);
  });

  it('while Consul does not answer is not said to be without: that is tried again', async () => {
    const store = new Store();
    store.unreadable = new ConsulError('read key', 500, 'No cluster leader');
    await expect(stage(store).fence.take()).rejects.toThrow('500');
  });
});

import { describe, expect, it } from '@jest/globals';
import { ConsulError, NotApplied, TransactionConflict } from '../../../../src/consul/errors.ts';
import { WritesOff } from '../../../../src/writes.ts';
import { settled } from '../../clock.ts';
import { shown } from '../transactions.ts';
import { instanceOf, NODE_1, NODE_2, Picture } from './picture.ts';
import { many, WriterStage } from './stage.ts';
import { registrationOf } from '../instances.ts';

const LONGEST_BACKOFF = 15_000;
const failed = (status: number, detail = '') => new ConsulError('commit transaction', status, detail);
const TOO_MANY = failed(413, 'Transaction contains too many operations (128 > 64)');

function stale(...indexes: number[]): TransactionConflict {
  return new TransactionConflict(indexes.map((index) => ({ index, what: 'index is stale' })));
}
const DENIED = new TransactionConflict([{ index: 0, what: 'Permission denied: lacks service:write' }]);

describe('a transaction that is not sent because writes are off', () => {
  it('gives its keys back to the queue at once, and others are not held up', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.sent[0]?.fail(new NotApplied(new WritesOff(['the Lease'])));
    await settled();
    expect(String(stage.outcomes.get('a'))).toContain('it was not applied');
    await stage.write(['b']);
    expect(stage.podsFrom(1)).toEqual(['b']);
  });
});

const denialOf = (service: string) =>
  `Permission denied: token with AccessorID 'x' lacks permission 'service:write' on "${service}"`;

describe('409: a transaction that Consul refused', () => {
  it('by whom nobody can say, for no key in particular, is no contradiction', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.committer.onSent = (transaction) => transaction.fail(new TransactionConflict([]));
    stage.sent[0]?.fail(new TransactionConflict([]));
    await stage.write(['b'], { node: NODE_2 });
    expect(new Set(stage.own.reads)).toEqual(new Set([NODE_1.name, NODE_2.name]));
    expect(stage.writer.failure).toBeUndefined();
  });

  it('has the nodes of the refused keys read again, and all its keys sent anew', async () => {
    const stage = new WriterStage();
    await stage.write(['here']);
    await stage.write(['there'], { node: NODE_2 });
    stage.own.onRead = () => Promise.resolve(['shop/neighbour']);
    await stage.write(['a', 'b'], { node: NODE_2 });
    stage.sent[0]?.commit();
    await settled();
    stage.sent[2]?.fail(stale(2));
    await settled();
    expect(stage.podsFrom(2)).toEqual(['a b', 'a b']);
    expect(stage.own.reads).toEqual([NODE_2.name]);
    expect(stage.drifted).toEqual(['shop/neighbour']);
  });

  it('writes what the new reading asks for', async () => {
    const stage = new WriterStage();
    await stage.write(['a'], { tags: ['new'] });
    stage.own.onRead = () => {
      stage.own.written(instanceOf('a', NODE_1, 77));
      return Promise.resolve([]);
    };
    stage.sent[0]?.fail(stale(0));
    await settled();
    expect(shown(stage.sent[1]?.operations ?? [])).toEqual([`cas service orders on ${NODE_1.name} @77`]);
  });

  it('gives a key back to the queue after it was refused four times in a row', async () => {
    const stage = new WriterStage();
    stage.committer.onSent = (transaction) => transaction.fail(stale(0));
    await stage.write(['a']);
    for (let turn = 0; turn < 8; turn++) await settled();
    expect(stage.sent).toHaveLength(4);
    expect(stage.outcomes.get('a')).toBeInstanceOf(TransactionConflict);
  });

  it('gives a key back to the queue when what Consul has cannot be read', async () => {
    const stage = new WriterStage();
    stage.own.onRead = () => Promise.reject(new Error('no answer'));
    await stage.write(['a', 'b']);
    stage.sent[0]?.fail(stale(0));
    await settled();
    expect(stage.outcomes.get('a')).toBeInstanceOf(TransactionConflict);
    expect(stage.podsFrom(1)).toEqual(['b']);
    expect(stage.log.of('warn')).toEqual(['Consul nodes could not be read again']);
  });

  it('for creations on two nodes on which nothing is contradicts itself: all rests, until something gets through', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    await stage.write(['b'], { node: NODE_2 });
    stage.sent[0]?.fail(stale(0));
    await settled();
    expect([stage.podsFrom(2), stage.writer.failure]).toEqual([['a'], undefined]);
    stage.sent[1]?.fail(stale(0));
    await settled();
    expect([stage.podsFrom(3), stage.writer.failure]).toEqual([[], expect.stringContaining('they exist')]);
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.podsFrom(3)).toEqual(['b']);
    await stage.commitAll();
    expect(stage.writer.failure).toBeUndefined();
  });

  it('gives a key back to the queue while the brake lets nothing through, and knows what Consul has by then', async () => {
    const stage = new WriterStage();
    stage.isBraked = true;
    await stage.write(['a', 'b']);
    stage.sent[0]?.fail(stale(0));
    await settled();
    expect(stage.outcomes.get('a')).toBeInstanceOf(TransactionConflict);
    expect(stage.podsFrom(1)).toEqual(['b']);
    expect(stage.own.reads).toEqual([NODE_1.name]);
  });

  it('sends at once what the ACLs do not deny, of the same key too, and the rest not again', async () => {
    const stage = new WriterStage();
    const secret = registrationOf('both', { id: 'prod.shop.both:secret:8080', service: 'secret' });
    stage.desired.set('shop/both', [registrationOf('both'), secret]);
    stage.submit('both');
    await stage.write(['b']);
    stage.sent[0]?.fail(new TransactionConflict([{ index: 2, what: denialOf('secret') }]));
    await settled();
    expect([...stage.denied]).toEqual(['service secret']);
    expect(stage.own.reads).toEqual([]);
    await stage.write(['only'], { service: 'secret' });
    await stage.commitAll();
    expect(stage.committed.flatMap(([, { create }]) => create.map(({ service }) => service))).toEqual([
      'orders',
      'orders',
    ]);
    const later = stage.sent.slice(1).flatMap(({ operations }) => shown(operations));
    expect(later.filter((operation) => operation.includes('secret on'))).toEqual([]);
    expect(later.filter((operation) => operation.includes('cas service orders'))).toHaveLength(2);
    expect([...stage.outcomes.values()]).toEqual(['written', 'written', 'written']);
  });

  it('takes the right from the operation where Consul names none', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.sent[0]?.fail(DENIED);
    await settled();
    expect([...stage.denied]).toEqual(['service orders']);
    expect(stage.outcomes.get('a')).toBe('written');
  });

  it('gives a key back to the queue when Consul denies it and names no operation of ours', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    const nameless = new TransactionConflict([{ index: -1, what: 'Permission denied' }]);
    stage.sent[0]?.fail(nameless);
    await settled();
    expect(stage.outcomes.get('a')).toBe(nameless);
  });

  it('tries no key for ever of which something else is denied than it writes', async () => {
    const stage = new WriterStage();
    stage.committer.onSent = (transaction) =>
      transaction.fail(new TransactionConflict([{ index: 0, what: denialOf('another') }]));
    await stage.write(['a']);
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.outcomes.get('a')).toBeInstanceOf(TransactionConflict);
    expect(stage.sent).toHaveLength(4);
  });
});

describe('413: a transaction that is too large', () => {
  it('goes out again in halves, and so does all that comes later', async () => {
    const stage = new WriterStage();
    await stage.write(many(62));
    stage.sent[0]?.fail(TOO_MANY);
    await settled();
    await stage.clock.advance(LONGEST_BACKOFF);
    await stage.commitAll();
    await stage.clock.advance(LONGEST_BACKOFF);
    await stage.write(many(62, 'later'));
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.sent.map(({ operations }) => operations.length)).toEqual([124, 62, 62, 62, 62]);
    expect(stage.own.reads).toEqual([]);
  });

  it('costs only itself when it is of one key', async () => {
    const stage = new WriterStage();
    await stage.write(['large']);
    await stage.write(['small']);
    const tooLarge = failed(413, 'Request body too large');
    stage.sent[0]?.fail(tooLarge);
    stage.sent[1]?.commit();
    await settled();
    expect(stage.outcomes).toEqual(
      new Map<string, unknown>([
        ['large', tooLarge],
        ['small', 'written'],
      ]),
    );
    expect(stage.clock.timers).toBe(0);
  });
});

describe('a transaction that failed', () => {
  it('429: was not applied, so nothing is read; everything waits, then goes out together', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.sent[0]?.fail(failed(429, 'slow down'));
    await stage.write(['b']);
    expect(stage.podsFrom(1)).toEqual([]);
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.podsFrom(1)).toEqual(['a b']);
    expect(stage.own.reads).toEqual([]);
    expect(stage.log.of('warn')).toEqual(['transaction failed, will compose and send it anew']);
  });

  it.each([
    ['a lost connection', failed(0)],
    ['500', failed(500, 'No cluster leader')],
    ['an answer that makes no sense', new TypeError('expected an object')],
  ])('%s: nobody knows, so it is read what became of it, and it is not written twice', async (_, error) => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.own.onRead = () => {
      stage.own.written(instanceOf('a'));
      return Promise.resolve(['shop/a']);
    };
    stage.sent[0]?.fail(error);
    await settled();
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.own.reads).toEqual([NODE_1.name]);
    expect([stage.sent.length, stage.outcomes.get('a')]).toEqual([1, 'written']);
    expect(stage.drifted).toEqual(['shop/a']);
  });

  it('is not sent again while it cannot be read what became of it; others are', async () => {
    const stage = new WriterStage();
    stage.own.onRead = () => Promise.reject(new Error('no answer'));
    await stage.write(['a']);
    stage.sent[0]?.fail(failed(0));
    await stage.write(['here']);
    await stage.write(['elsewhere'], { node: NODE_2 });
    await stage.clock.advance(4 * LONGEST_BACKOFF);
    expect(stage.podsFrom(1)).toEqual(['elsewhere']);
    expect(stage.own.reads.length).toBeGreaterThan(2);
    stage.own.onRead = () => Promise.resolve([]);
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.podsFrom(2)).toEqual(['a here']);
  });

  it('on many nodes costs one read at a time, while these fail', async () => {
    const nodes = Array.from({ length: 30 }, (_, i) => ({ ...NODE_1, name: `${NODE_1.name}-${i}` }));
    const stage = new WriterStage(new Picture(nodes));
    stage.own.onRead = () => Promise.reject(failed(0));
    for (const [i, node] of nodes.entries()) stage.desired.set(`shop/p${i}`, registrationOf(`p${i}`, { node }));
    for (const i of nodes.keys()) stage.submit(`p${i}`);
    await settled();
    stage.sent[0]?.fail(failed(0));
    await settled();
    await stage.clock.advance(60_000);
    expect(stage.own.reads.length).toBeGreaterThan(12);
    // Each of the waits is 5 s at most.
    expect(stage.clock.waits.length).toBe(stage.own.reads.length + 1);
    expect(Math.max(...stage.clock.waits)).toBeLessThanOrEqual(5000);
  });

  it('is read only when it can be applied no more, and only then are its nodes written to again', async () => {
    const stage = new WriterStage(new Picture([NODE_1, NODE_2], [instanceOf('a')]));
    const settle = stage.holdSettled();
    await stage.write(['a'], { tags: ['new'] });
    stage.sent[0]?.fail(failed(0));
    stage.desired.set('shop/a', instanceOf('a').registration);
    await stage.write(['neighbour']);
    await stage.write(['elsewhere'], { node: NODE_2 });
    await stage.clock.advance(60_000);
    expect([stage.own.reads, stage.podsFrom(1), stage.outcomes.get('a')]).toEqual([[], ['elsewhere'], undefined]);
    // The write came late, after all.
    stage.own.onRead = () =>
      Promise.resolve([stage.own.written(instanceOf('a', NODE_1, 30, ['new']))].map(() => 'shop/a'));
    settle.next();
    await settled();
    expect(stage.own.reads).toEqual([NODE_1.name]);
    expect(stage.podsFrom(2)).toEqual(['a neighbour']);
    const told = stage.committed.find(([key]) => key === 'shop/a');
    expect(told?.[1].update.map(({ desired }) => desired.tags)).toEqual([['new']]);
    expect(shown(stage.sent[2]?.operations ?? [])).toContain(`cas service orders on ${NODE_1.name} @30`);
  });

  it('waits for the next try with a backoff when nobody can say that it is settled, and nothing is read', async () => {
    const stage = new WriterStage();
    let tries = 0;
    stage.committer.settled = () => Promise.reject(new Error(`try ${++tries}`));
    await stage.write(['a']);
    stage.sent[0]?.fail(failed(0));
    await stage.clock.advance(60_000);
    expect([stage.own.reads, stage.podsFrom(1)]).toEqual([[], []]);
    expect(tries).toBeGreaterThan(8);
    expect(tries).toBeLessThan(100);
    expect(stage.clock.waits).toHaveLength(tries + 1);
    stage.committer.settled = () => Promise.resolve();
    await stage.clock.advance(LONGEST_BACKOFF);
    expect([stage.own.reads, stage.podsFrom(1)]).toEqual([[NODE_1.name], ['a']]);
  });

  it('on a node of another like it leaves the node alone until both are settled, and is not waited for elsewhere', async () => {
    const stage = new WriterStage();
    const settle = stage.holdSettled();
    await stage.write(['a']);
    stage.desired.set('shop/b', registrationOf('b', { node: NODE_1 }));
    stage.desired.set('shop/c', registrationOf('c', { node: NODE_2 }));
    stage.submit('b');
    stage.submit('c');
    await settled();
    for (const { fail } of stage.sent) fail(failed(0));
    await settled();
    await stage.clock.advance(LONGEST_BACKOFF);
    settle.next();
    await settled();
    expect([stage.own.reads, stage.podsFrom(2)]).toEqual([[], []]);
    settle.next();
    await settled();
    expect(stage.own.reads.toSorted()).toEqual([NODE_1.name, NODE_2.name]);
    expect(stage.podsFrom(2)).toEqual(['a b c']);
  });

  it('when a write before or after it failed was not applied: its nodes do not rest, and nothing is read', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.sent[0]?.fail(new NotApplied(failed(500, 'No cluster leader')));
    await settled();
    expect(stage.podsFrom(1)).toEqual([]);
    await stage.clock.advance(5000);
    expect([stage.podsFrom(1), stage.own.reads]).toEqual([['a'], []]);
  });

  it('is tried again at once when what failed may be over', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.sent[0]?.fail(new NotApplied(new Error('the Lease could not be renewed in time')));
    await settled();
    expect([stage.sent.length, stage.clock.timers]).toEqual([1, 1]);
    stage.writer.lookAgain();
    await settled();
    expect([stage.podsFrom(1), stage.clock.timers]).toEqual([['a'], 0]);
  });

  it('while everything waits for another, begins the wait anew', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    await stage.write(['b']);
    stage.sent[0]?.fail(failed(429));
    await settled();
    const [first = 0] = stage.clock.due;
    await stage.clock.advance(first / 2);
    stage.sent[1]?.fail(failed(429));
    await settled();
    expect(stage.clock.timers).toBe(1);
    expect(stage.podsFrom(2)).toEqual([]);
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.podsFrom(2)).toEqual(['a b']);
  });
});

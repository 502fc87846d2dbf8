import { describe, expect, it } from '@jest/globals';
import { ConsulError, TransactionConflict } from '../../../../src/consul/errors.ts';
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

describe('409: a transaction that Consul refused', () => {
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

  it('sends a key that the ACLs deny without others, until it got through', async () => {
    const stage = new WriterStage();
    await stage.write(['denied', 'b']);
    stage.sent[0]?.fail(DENIED);
    await settled();
    expect(stage.outcomes.get('denied')).toBe(DENIED);
    expect(stage.own.reads).toEqual([]);
    expect(stage.podsFrom(1)).toEqual(['b']);
    await stage.commitAll();
    await stage.write(['c', 'denied', 'd']);
    expect(stage.podsFrom(2)).toEqual(['c d', 'denied']);
    await stage.write(['denied', 'e'], { tags: ['again'] });
    expect(stage.podsFrom(4)).toEqual(['denied e']);
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
    expect(stage.own.reads).toEqual([]);
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.own.reads).toEqual([NODE_1.name]);
    expect([stage.sent.length, stage.outcomes.get('a')]).toEqual([1, 'written']);
    expect(stage.drifted).toEqual(['shop/a']);
  });

  it('is not sent again, and nothing else is, while it cannot be read what became of it', async () => {
    const stage = new WriterStage();
    stage.own.onRead = () => Promise.reject(new Error('no answer'));
    await stage.write(['a']);
    stage.sent[0]?.fail(failed(0));
    await stage.write(['elsewhere'], { node: NODE_2 });
    await stage.clock.advance(4 * LONGEST_BACKOFF);
    expect(stage.podsFrom(1)).toEqual([]);
    expect(stage.own.reads.length).toBeGreaterThan(2);
    stage.own.onRead = () => Promise.resolve([]);
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.podsFrom(1)).toEqual(['a elsewhere']);
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

  it('makes a change that nobody knows of harmless, also when nothing is to change any more', async () => {
    const stage = new WriterStage(new Picture([NODE_1], [instanceOf('a')]));
    await stage.write(['a'], { tags: ['new'] });
    stage.sent[0]?.fail(failed(0));
    stage.desired.set('shop/a', instanceOf('a').registration);
    await settled();
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(shown(stage.sent[1]?.operations ?? [])).toEqual([
      `cas service orders on ${NODE_1.name} @20`,
      `set service orders on ${NODE_1.name} @20`,
    ]);
    await stage.commitAll();
    await stage.write([]);
    stage.submit('a');
    await settled();
    expect([stage.sent.length, stage.outcomes.get('a')]).toEqual([2, 'written']);
  });

  it('while the nodes of another are read, begins the wait anew', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    await stage.write(['b']);
    let answer: (pods: string[]) => void = () => undefined;
    stage.own.onRead = () => new Promise((resolve) => (answer = resolve));
    stage.sent[0]?.fail(failed(0));
    await settled();
    await stage.clock.advance(LONGEST_BACKOFF);
    stage.sent[1]?.fail(failed(429));
    await settled();
    answer([]);
    await settled();
    expect(stage.podsFrom(2)).toEqual([]);
    await stage.clock.advance(LONGEST_BACKOFF);
    expect(stage.podsFrom(2)).toEqual(['a b']);
  });
});

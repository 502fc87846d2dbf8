import { describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../../src/consul/errors.ts';
import { settled } from '../../clock.ts';
import { registrationOf } from '../instances.ts';
import { shown } from '../transactions.ts';
import { instanceOf, NODE_1, NODE_2, Picture } from './picture.ts';
import { many, WriterStage } from './stage.ts';

const NEW_NODE = { name: 'k8s-prod--new', address: '192.168.1.20' };

/** A stage with two transactions on their way, so that whatever comes now gathers. */
async function occupied(own?: Picture): Promise<WriterStage> {
  const stage = new WriterStage(own);
  await stage.write(['blocker-1']);
  await stage.write(['blocker-2']);
  return stage;
}

describe('group commit', () => {
  it('sends a key at once while nothing is in flight', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    expect(stage.podsFrom(0)).toEqual(['a']);
    expect(stage.outcomes.size).toBe(0);
    await stage.commitAll();
    expect(stage.outcomes).toEqual(new Map([['a', 'written']]));
  });

  it('lets keys of one turn of the event loop share a transaction', async () => {
    const stage = new WriterStage();
    await stage.write(['a', 'b', 'c']);
    expect(stage.podsFrom(0)).toEqual(['a b c']);
  });

  it('has two transactions in flight, and gathers what comes until one of them is answered', async () => {
    const stage = await occupied();
    await stage.write(['a']);
    await stage.write(['b']);
    expect(stage.podsFrom(0)).toEqual(['blocker-1', 'blocker-2']);
    stage.sent[1]?.commit();
    await settled();
    expect(stage.podsFrom(2)).toEqual(['a b']);
  });

  it('writes the last state of a key that changed while it waited', async () => {
    const stage = await occupied();
    await stage.write(['a'], { tags: ['first'] });
    stage.desired.set('shop/a', registrationOf('a', { tags: ['last'] }));
    await stage.commitAll();
    expect(stage.podsFrom(2)).toEqual(['a']);
    expect([...stage.own.ofPod('shop/a').values()].map(({ registration }) => registration.tags)).toEqual([['last']]);
  });

  it('sends nothing for a key that wants nothing any more', async () => {
    const stage = await occupied();
    await stage.write(['a'], { tags: ['first'] });
    stage.desired.delete('shop/a');
    await stage.commitAll();
    expect(stage.podsFrom(2)).toEqual([]);
    expect(stage.outcomes.get('a')).toBe('written');
  });

  it('sends as many transactions as it takes', async () => {
    const stage = new WriterStage();
    await stage.write(many(100));
    await stage.commitAll();
    await stage.clock.advance(40);
    expect(stage.sent.map(({ operations }) => operations.length)).toEqual([126, 74]);
    expect(new Set(stage.outcomes.values())).toEqual(new Set(['written']));
  });

  it('tells whether Consul named an index: of a removal it does not', async () => {
    const stage = new WriterStage(new Picture([NODE_1], [instanceOf('gone')]));
    await stage.commitAll();
    await stage.write(['a']);
    stage.submit('gone');
    await settled();
    expect(stage.own.ended).toEqual([true, false]);
    expect(stage.own.onTheirWay).toBe(0);
    expect(stage.own.ofPod('shop/gone').size).toBe(0);
  });
});

describe('a burst', () => {
  async function inBurst(): Promise<WriterStage> {
    const stage = new WriterStage();
    await stage.commitAll();
    await stage.write(many(51));
    return stage;
  }

  it('lets what comes next gather for 20 ms', async () => {
    const stage = await inBurst();
    await stage.write(['a']);
    await stage.clock.advance(19);
    await stage.write(['b']);
    expect(stage.podsFrom(1)).toEqual([]);
    await stage.clock.advance(1);
    expect(stage.podsFrom(1)).toEqual(['a b']);
  });

  it('does not hold up what is half a transaction', async () => {
    const stage = await inBurst();
    await stage.write(many(64, 'more'));
    expect(stage.sent[1]?.pods).toHaveLength(63);
  });

  it('goes on while changes come one by one, a hundred a second', async () => {
    const stage = await inBurst();
    for (let i = 0; i < 100; i++) {
      await stage.write([`late-${i}`]);
      await stage.clock.advance(10);
    }
    expect(stage.podsFrom(1)).toEqual(Array.from({ length: 50 }, (_, i) => `late-${2 * i} late-${2 * i + 1}`));
  });

  it('is over after a second', async () => {
    const stage = await inBurst();
    await stage.clock.advance(1001);
    await stage.write(['a']);
    expect(stage.podsFrom(1)).toEqual(['a']);
  });

  it('is none below 51 changes', async () => {
    const stage = new WriterStage();
    await stage.commitAll();
    await stage.write(many(50));
    await stage.write(['a']);
    expect(stage.podsFrom(1)).toEqual(['a']);
  });
});

describe('a Consul node', () => {
  it('is created in the transaction of its first instance, and others that need it wait for that', async () => {
    const stage = new WriterStage(new Picture([NODE_1]));
    await stage.write(['a'], { node: NEW_NODE });
    await stage.write(['b'], { node: NEW_NODE });
    await stage.write(['elsewhere']);
    expect(shown(stage.sent[0]?.operations ?? [])[0]).toBe('cas node k8s-prod--new @0');
    expect(stage.podsFrom(0)).toEqual(['a', 'elsewhere']);
    await stage.commitAll();
    expect(stage.podsFrom(2)).toEqual(['b']);
    expect(shown(stage.sent[2]?.operations ?? [])).toEqual([
      'cas service orders on k8s-prod--new @0',
      'cas check of orders on k8s-prod--new @0',
    ]);
  });

  it('that is reserved is not written to until it is released', async () => {
    const stage = new WriterStage();
    await stage.commitAll();
    const release = stage.writer.reserve(NODE_2.name);
    expect(stage.writer.reserve(NODE_2.name)).toBeUndefined();
    await stage.write(['a'], { node: NODE_2 });
    await stage.write(['b']);
    expect(stage.podsFrom(0)).toEqual(['b']);
    await stage.write(many(70, 'waiting'), { node: NODE_2 });
    await stage.write(['c']);
    expect(stage.podsFrom(1)).toEqual(['c']);
    stage.desired.clear();
    stage.desired.set('shop/a', registrationOf('a', { node: NODE_2 }));
    release?.();
    await settled();
    expect(stage.podsFrom(2)).toEqual(['a']);
  });

  it('cannot be reserved while a transaction that touches it is on its way, or nobody knows what became of it', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    expect(stage.writer.reserve(NODE_1.name)).toBeUndefined();
    stage.own.onRead = () => Promise.reject(new Error('no answer'));
    stage.sent[0]?.fail(new ConsulError('commit transaction', 0, ''));
    await stage.clock.advance(15_000);
    expect(stage.writer.reserve(NODE_1.name)).toBeUndefined();
    stage.own.onRead = () => Promise.resolve([]);
    await stage.commitAll();
    await stage.clock.advance(15_000);
    expect(stage.writer.reserve(NODE_1.name)).toBeDefined();
  });
});

describe('a writer that is stopped', () => {
  it('rejects what waits, sends nothing more, and lets what is in flight end', async () => {
    const stage = await occupied();
    await stage.write(['a']);
    stage.writer.stop();
    await settled();
    expect(stage.outcomes.get('a')).toMatchObject({ message: 'write shop/a to Consul: stopped before it was sent' });
    expect(stage.writer.reserve(NODE_2.name)).toBeUndefined();
    await stage.commitAll();
    expect(stage.sent).toHaveLength(2);
    expect(stage.outcomes.get('blocker-1')).toBe('written');
  });

  it('rejects what fails after that, and does not wait to try again', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.writer.stop();
    stage.sent[0]?.fail(new ConsulError('commit transaction', 429, 'slow down'));
    await settled();
    expect(stage.outcomes.get('a')).toMatchObject({
      message: 'write shop/a to Consul: stopped before it was sent again',
    });
    expect(stage.clock.timers).toBe(0);
  });

  it('ends a wait', async () => {
    const stage = new WriterStage();
    await stage.write(['a']);
    stage.sent[0]?.fail(new ConsulError('commit transaction', 429, 'slow down'));
    await settled();
    stage.writer.stop();
    await settled();
    expect(stage.clock.timers).toBe(0);
    expect(stage.outcomes.get('a')).toBeInstanceOf(Error);
  });

  it('rejects what rests, and waits neither for what is not settled nor for what cannot be read', async () => {
    const stage = new WriterStage();
    const settle = stage.holdSettled();
    await stage.write(['a']);
    stage.sent[0]?.fail(new ConsulError('commit transaction', 0, ''));
    await stage.write(['neighbour']);
    await stage.clock.advance(100);
    stage.writer.stop();
    await settled();
    for (const name of ['a', 'neighbour'])
      expect(stage.outcomes.get(name)).toMatchObject({
        message: expect.stringContaining('stopped before it was sent'),
      });
    settle.next();
    await settled();
    expect([stage.own.reads, stage.sent.length, stage.clock.timers]).toEqual([[], 1, 0]);
  });

  it('sends nothing after a read that ends late', async () => {
    const stage = new WriterStage();
    let answer: (pods: string[]) => void = () => undefined;
    stage.own.onRead = () => new Promise((resolve) => (answer = resolve));
    await stage.write(['a']);
    stage.sent[0]?.fail(new ConsulError('commit transaction', 500, 'no leader'));
    await settled();
    await stage.clock.advance(100);
    stage.writer.stop();
    answer([]);
    await settled();
    expect([stage.sent.length, stage.clock.timers]).toEqual([1, 0]);
  });
});

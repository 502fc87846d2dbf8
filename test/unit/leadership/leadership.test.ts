import { describe, expect, it } from '@jest/globals';
import type { Committed } from '../../../src/consul/transaction.ts';
import type { ObjectApi } from '../../../src/kubernetes/object-api.ts';
import type { Fence } from '../../../src/leadership/fence.ts';
import { leadersApi } from '../../../src/leadership/leaders-api.ts';
import { Leadership, NotLeading } from '../../../src/leadership/leadership.ts';
import { Writes, WritesOff } from '../../../src/writes.ts';

const NOTHING: Committed = { nodes: new Map(), services: new Map(), checks: new Map() };

/** A fence that lets everything pass, until it is told to throw, and that may take its time. */
function openFence(displaced: { error?: Error } = {}, whileWaiting: () => void = () => undefined) {
  return {
    assertNotDisplaced() {
      if (displaced.error) throw displaced.error;
    },
    around: (send: (first: undefined) => Promise<Committed>) => {
      whileWaiting();
      return send(undefined);
    },
    settled: () => Promise.resolve(),
  } as unknown as Fence;
}

/** No transaction of which nobody knows what became of it. */
const notApplied = (why: string) => ({
  name: 'NotApplied',
  cause: { name: 'NotLeading', message: expect.stringContaining(why) as unknown },
});

describe('the right to write', () => {
  const send = () => Promise.resolve(NOTHING);

  it('belongs to nobody before it has begun, with an election or without', async () => {
    for (const tenure of [undefined, { isLeading: () => true, why: '' }]) {
      const leadership = new Leadership(tenure);
      expect(() => leadership.assertLeading()).toThrow(NotLeading);
      await expect(leadership.around(send)).rejects.toMatchObject(notApplied('has not begun'));
      await expect(leadership.settled()).rejects.toThrow(NotLeading);
    }
  });

  it('lasts as long as the Lease', async () => {
    const lease = { is: true };
    const leadership = new Leadership({ isLeading: () => lease.is, why: 'it could not be renewed' });
    leadership.begin(openFence());
    expect(await leadership.around(send)).toBe(NOTHING);
    lease.is = false;
    await expect(leadership.around(send)).rejects.toMatchObject(notApplied('it could not be renewed'));
    lease.is = true;
    expect(await leadership.around(send)).toBe(NOTHING);
  });

  it("is nobody's while writes are off, in either system, but for the last word of the own entry", async () => {
    const writes = new Writes();
    const leadership = new Leadership(undefined, writes);
    const asked: string[] = [];
    const note = (what: string) => () => (asked.push(what), Promise.resolve(undefined as never));
    const all = { get: note('get'), list: note('list'), create: note('create'), patch: note('patch') };
    const api = leadersApi({ ...all, setCondition: note('condition'), remove: note('remove') }, () =>
      leadership.assertLeading(),
    );
    leadership.begin(openFence());
    writes.say('setting', 'setting writes');
    await expect(leadership.around(send)).rejects.toMatchObject({ name: 'NotApplied', cause: { name: 'WritesOff' } });
    await expect(leadership.settled()).rejects.toThrow(WritesOff);
    for (const verb of ['create', 'patch', 'setCondition', 'remove'] as const)
      await expect((api[verb] as () => Promise<unknown>)()).rejects.toThrow(WritesOff);
    await (api.get as unknown as () => Promise<unknown>)();
    expect(asked).toEqual(['get']);
    expect(await leadership.lastWord.around(send)).toBe(NOTHING);
    writes.enter('off');
    await expect(leadership.lastWord.around(send)).rejects.toMatchObject({ cause: { name: 'WritesOff' } });
  });

  it('stops at what waits for the fence when writes are switched off', async () => {
    const writes = new Writes();
    const leadership = new Leadership(undefined, writes);
    leadership.begin(openFence({}, () => writes.say('lease', 'the Lease')));
    await expect(leadership.around(send)).rejects.toMatchObject({ cause: { name: 'WritesOff' } });
  });

  it('is asked for once more after the fence was waited for', async () => {
    const lease = { is: true };
    const sent: string[] = [];
    const leadership = new Leadership({ isLeading: () => lease.is, why: 'over' });
    leadership.begin(openFence({}, () => (lease.is = false)));
    const noted = () => (sent.push('sent'), send());
    await expect(leadership.around(noted)).rejects.toMatchObject(notApplied('over'));
    expect(sent).toEqual([]);
  });

  it('ends when another holds the fence', () => {
    const displaced: { error?: Error } = {};
    const leadership = new Leadership(undefined);
    leadership.begin(openFence(displaced));
    leadership.assertLeading();
    displaced.error = new Error('held by b');
    expect(() => leadership.assertLeading()).toThrow('held by b');
  });

  it('is asked for before each write to Kubernetes, and before no read', async () => {
    const done: string[] = [];
    const noting = (what: string) => () => (done.push(what), Promise.resolve());
    const names = ['get', 'list', 'create', 'patch', 'setCondition', 'remove'] as const;
    const api = Object.fromEntries(names.map((name) => [name, noting(name)])) as unknown as ObjectApi;
    const may = { write: false };
    const guarded = leadersApi(api, () => {
      if (!may.write) throw new NotLeading('over');
    }) as unknown as Record<string, () => Promise<void>>;
    const outcomes = async () =>
      Promise.all(
        names.map((name) =>
          (guarded[name]?.() ?? Promise.reject(new Error('no such method'))).then(
            () => 'done',
            () => 'refused',
          ),
        ),
      );
    expect(await outcomes()).toEqual(['done', 'done', 'refused', 'refused', 'refused', 'refused']);
    may.write = true;
    expect(await outcomes()).toEqual(names.map(() => 'done'));
    expect(done).toEqual(['get', 'list', ...names]);
  });
});

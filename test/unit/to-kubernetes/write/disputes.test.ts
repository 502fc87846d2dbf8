import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Difference } from '../../../../src/to-kubernetes/objects/differences.ts';
import { Disputed, Disputes, type Taken } from '../../../../src/to-kubernetes/write/disputes.ts';
import { service, strings } from '../../builders.ts';
import { TestClock } from '../../clock.ts';

const subject = { kind: 'Service', namespace: 'shop', name: 'billing', serviceName: 'billing' };
const type: Difference = { field: 'type', desired: 'ClusterIP', observed: 'NodePort' };
const others = (resourceVersion: string) => service({ type: 'NodePort', resourceVersion });

let clock: TestClock;
let told: string[];
let disputes: Disputes;
let version = 0;
beforeEach(() => {
  clock = new TestClock();
  told = [];
  disputes = new Disputes({
    tell: ({ kind, name }, problem) =>
      told.push(`${kind} ${name}: ${problem ? `${problem.reason}: ${problem.message}` : 'over'}`),
    clock,
  });
});

const write = (more: Partial<Taken<string>> = {}) =>
  disputes.wrote({ ...subject, desired: 'a', before: others(String(version++)), undone: [type], altered: [], ...more });
const rests = (desired = 'a', before: Taken<string>['before'] = others('x')) => {
  try {
    disputes.assertRested({ ...subject, desired, before });
    return false;
  } catch (error) {
    return error instanceof Disputed;
  }
};
/** Whether it rests while it is not there. */
function disputesGone(): boolean {
  try {
    disputes.assertRested({ ...subject, desired: 'a', before: undefined });
    return false;
  } catch (error) {
    return error instanceof Disputed;
  }
}
const contested =
  'Service billing: Contested: Service shop/billing is changed (type: NodePort instead of ClusterIP) by somebody else each time that it is written, and is put right once a minute at most';

describe('an object that somebody changes', () => {
  it('is put right at once five times, and told and slowed down from the sixth on', async () => {
    for (let i = 0; i < 5; i++) {
      write();
      expect(rests()).toBe(false);
    }
    expect(told).toEqual([]);
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      write();
      let seconds = 0;
      for (; rests(); seconds++) await clock.advance(1000);
      waits.push(seconds);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(told).toEqual([contested]);
  });

  it('in other ways each time is slowed down from the 21st time in a minute on', async () => {
    const vary = (i: number) => write({ undone: [{ ...type, field: `field ${i % 7}` }] });
    for (let i = 0; i < 20; i++) vary(i);
    expect([rests(), told]).toEqual([false, []]);
    vary(20);
    expect([rests(), told]).toEqual([true, [expect.stringMatching(/^Service billing: Contested: /)]]);
    await clock.advance(60_000);
    vary(21);
    expect(rests()).toBe(false);
  });

  it('in other ways each time, or is wanted otherwise each time, is not disputed', () => {
    for (let i = 0; i < 15; i++) write({ undone: [{ ...type, field: `field ${i % 7}` }] });
    for (let i = 0; i < 20; i++) write({ desired: i % 2 === 0 ? 'a' : 'b' });
    expect([rests('a'), rests('b'), told]).toEqual([false, false, []]);
  });

  it('is written at once when something else is wanted of it', () => {
    for (let i = 0; i < 6; i++) write();
    expect([rests('a'), rests('b')]).toEqual([true, false]);
    write({ desired: 'b' });
    expect([rests('b'), told]).toEqual([false, [contested, 'Service billing: over']]);
  });

  it('is not disputed any more after five minutes without a write, or when we remove it', async () => {
    for (let i = 0; i < 6; i++) write();
    await clock.advance(5 * 60_000);
    expect([rests(), told]).toEqual([false, [contested, 'Service billing: over']]);
    for (let i = 0; i < 6; i++) write();
    disputes.forget(subject);
    expect([rests(), told.length, clock.timers]).toEqual([false, 4, 0]);
  });

  it('is told all the same when whoever does it leaves another stamp each time', () => {
    const stamped = (i: number) => service({ type: 'NodePort', annotations: strings({ 'example.com/at': String(i) }) });
    for (let i = 0; i < 6; i++) write({ before: stamped(i) });
    expect([rests('a', stamped(7)), told]).toEqual([true, [contested]]);
  });

  it('is made at once when it is gone for once', () => {
    for (let i = 0; i < 6; i++) write();
    expect([rests(), disputesGone()]).toEqual([true, false]);
    disputes.forget(subject);
    expect(() => write({ altered: [type] })).toThrow(Disputed);
    expect([rests(), disputesGone()]).toEqual([true, false]);
  });

  it('is told as changed when what belongs to it is', () => {
    for (let i = 0; i < 6; i++) write({ undone: [] });
    expect(told).toEqual([expect.stringMatching(/is changed \(owner or marks\) by somebody else each time/)]);
  });

  it('is told as deleted when that is what somebody does', () => {
    for (let i = 0; i < 6; i++) write({ before: undefined, undone: [] });
    expect(disputesGone()).toBe(true);
    expect(told).toEqual([expect.stringMatching(/Service shop\/billing is deleted by somebody else each time/)]);
  });

  it('is nothing that is waited for at the end', () => {
    write();
    disputes.end();
    expect(clock.timers).toBe(0);
  });
});

describe('an object that is not as it was sent', () => {
  const altered = [{ field: 'port 1', desired: 'main 80/TCP', observed: 'main 81/TCP' }];

  it('is told at once, and tried again slowly until it is', async () => {
    expect(() => write({ before: undefined, altered })).toThrow(Disputed);
    expect(told).toEqual([
      'Service billing: Altered: Service shop/billing is not as it was sent (port 1: main 81/TCP instead of main 80/TCP): a policy or webhook changes it; it is tried again once a minute at most',
    ]);
    expect(rests()).toBe(true);
    await clock.advance(1000);
    expect(rests()).toBe(false);
    expect(() => write({ altered })).toThrow(Disputed);
    await clock.advance(1000);
    expect([rests(), told.length]).toEqual([true, 1]);
    await clock.advance(1000);
    write();
    expect([rests(), told.at(-1)]).toEqual([false, 'Service billing: over']);
  });

  it('names three fields, and how many more there are', () => {
    const fields = ['a', 'b', 'c', 'd'].map((field) => ({ field, desired: '1', observed: '2' }));
    expect(() => write({ altered: fields })).toThrow(
      '(a: 2 instead of 1; b: 2 instead of 1; c: 2 instead of 1; and 1 more)',
    );
  });
});

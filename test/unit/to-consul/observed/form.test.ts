import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { META } from '../../../../src/mark.ts';
import { differencesOf } from '../../../../src/to-consul/observed/differences.ts';
import { fits, formOf, timeIn, type Facts } from '../../../../src/to-consul/observed/form.ts';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import { OwnInstances } from '../../../../src/to-consul/observed/own-instances.ts';
import { identityOf, type Registration } from '../../../../src/to-consul/registration/registration.ts';
import { registrationOf } from '../instances.ts';

/** As Consular writes it for a pod. */
function written(name: string, since = '2026-10-20T10:00:00Z'): Registration {
  const meta = new Map<string, string>([
    ['secure', 'false'],
    [META.namespace, 'shop'],
    [META.pod, name],
    [META.podUid, `uid-of-${name}`],
    [META.node, 'worker-1'],
    [META.workload, 'Deployment/orders'],
  ]);
  const notes = `Pod shop/${name} (uid uid-of-${name}) on node worker-1; registered by Consular because of the pod`;
  const check = { status: 'passing' as const, notes, output: `Pod is Ready since ${since}` };
  return registrationOf(name, { meta, check, tags: ['v1'] });
}

function factsOf(name: string, { check }: Registration): Facts {
  return { podKey: `shop/${name}`, podUid: `uid-of-${name}`, node: 'worker-1', time: timeIn(check.output) };
}

function instance(name: string, registration: Registration): OwnInstance {
  const podUid = registration.meta.get(META.podUid) ?? '';
  return { registration, podKey: `shop/${name}`, podUid, serviceIndex: 21, checkIndex: 22 };
}

/** What is kept of the instances of pods a, b, c ..., in this order. */
function kept(...registrations: readonly Registration[]): Registration[] {
  const own = new OwnInstances();
  const names = registrations.map((_, i) => String.fromCharCode(97 + i));
  registrations.forEach((registration, i) => own.put(instance(names[i] ?? '', registration)));
  return names.flatMap((name) => [...own.ofPod(`shop/${name}`).values()].map((one) => one.registration));
}

describe('what is kept of an instance', () => {
  it('says what the instance says, to the letter', () => {
    const all = [written('a'), written('b', '2026-10-20T10:00:01Z'), written('c', '2099-02-03T04:05:06Z')];
    expect(kept(...all)).toEqual(all);
  });

  it('says so whatever anybody has written there, beside others of the same service', () => {
    // Facts of the pod, pieces of them, and times that are none, in each place.
    const text = fc.oneof(
      fc.constantFrom('a', 'shop/a', 'uid-of-a', 'worker-1', '2026-13-45T99:99:99Z', '2026-10-20T10:00:00Z', ''),
      fc.string(),
    );
    const sentence = fc.array(text, { maxLength: 4 }).map((pieces) => pieces.join(' '));
    const meta = fc.array(fc.tuple(text, text)).map((entries) => new Map(entries));
    const change: fc.Arbitrary<Partial<Registration>> = fc.record(
      {
        id: sentence.map((end) => `prod.shop.a:${end}`),
        service: fc.constantFrom('orders', 'Orders', 'billing'),
        address: text,
        port: fc.nat(),
        weight: fc.nat(),
        tags: fc.array(text),
        meta,
        taggedAddresses: meta,
        check: fc.record({
          status: fc.constantFrom('passing', 'warning', 'critical'),
          notes: sentence,
          output: sentence,
        }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 5 }), (changes) => {
        const all = changes.map((one, i) => ({ ...written(String.fromCharCode(97 + i)), ...one }));
        expect(kept(...all)).toEqual(all);
      }),
    );
  });

  it('has one place for an ID that has the time of its own check in it', () => {
    const time = '2026-10-20T10:00:00Z';
    const observed = instance('a', { ...written('a', time), id: `prod.shop.a:${time}:80` });
    const own = new OwnInstances();
    own.put(observed);
    own.put(observed);
    expect([own.size, [...own.ofPod('shop/a').keys()]]).toEqual([1, [identityOf(observed.registration)]]);
    own.remove(observed);
    expect(own.size).toBe(0);
  });

  const base = written('a');
  it.each<[string, Partial<Registration>]>([
    ['service', { service: 'Orders' }],
    ['address', { address: '10.1.0.9' }],
    ['port', { port: 8081 }],
    ['weight', { weight: 2 }],
    ['tags', { tags: ['v2'] }],
    ['tags', { tags: [] }],
    ['meta.secure', { meta: new Map([...base.meta, ['secure', 'true']]) }],
    ['meta.more', { meta: new Map([...base.meta, ['more', '']]) }],
    [`meta.${META.podUid}`, { meta: new Map([...base.meta, [META.podUid, 'another']]) }],
    [`meta.${META.node}`, { meta: new Map([...base.meta].filter(([key]) => key !== META.node)) }],
    ['taggedAddresses.lan_ipv4', { taggedAddresses: new Map([['lan_ipv4', '10.1.0.7']]) }],
    ['check.status', { check: { ...base.check, status: 'critical' } }],
    ['check.notes', { check: { ...base.check, notes: base.check.notes.replace('uid-of-a', 'another') } }],
  ])('differs in %s when somebody changed only that', (field, change) => {
    const changed = { ...base, ...change };
    // After one like the desired one, whose form is tried first.
    const [, found = base] = kept(written('a'), { ...changed, id: 'prod.shop.b:orders:8080' });
    const observed = { ...instance('a', found), registration: found };
    expect(differencesOf(base, observed).map((difference) => difference.field)).toEqual([field]);
  });
});

describe('a form', () => {
  it('is that of every pod of the workload, and of no pod that says something else', () => {
    const [a, b] = [written('a'), written('b', '2026-10-20T11:30:00Z')];
    const form = formOf(a, factsOf('a', a));
    expect([fits(form, a, factsOf('a', a)), fits(form, b, factsOf('b', b))]).toEqual([true, true]);
    expect(fits(form, { ...b, weight: 2 }, factsOf('b', b))).toBe(false);
    expect(fits(form, b, factsOf('a', a))).toBe(false);
  });

  it('is the same whatever the order of the meta', () => {
    const a = written('a');
    const reversed = { ...a, meta: new Map([...a.meta].reverse()) };
    expect(fits(formOf(a, factsOf('a', a)), reversed, factsOf('a', a))).toBe(true);
  });
});

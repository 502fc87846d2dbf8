import { describe, expect, it } from '@jest/globals';
import type { Policy } from '../../../../src/to-consul/desired/policy.ts';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import { Admission } from '../../../../src/to-consul/plan/admission.ts';
import { Places } from '../../../../src/to-consul/plan/places.ts';
import type { Others } from '../../../../src/to-consul/plan/sources.ts';
import { identityOf, type Registration } from '../../../../src/to-consul/registration/registration.ts';
import { instance, policy } from '../../builders.ts';
import { observed, registrationOf } from '../instances.ts';
import { MemoryConsul } from '../memory-consul.ts';
import { NOBODY, others } from '../planning.ts';

const POD = 'shop/a';
const WANTED = registrationOf('a');
const HOLDER = instance({ id: 'self', node: 'vm-1', service: 'orders', address: '10.1.0.7', port: 8080 });
const NEIGHBOUR = instance({ id: 'neighbour', service: 'orders', address: '10.9.9.9', port: 8080 });

const has = (registration: Registration): OwnInstance => observed(registration, { podKey: POD, podUid: 'uid-of-a' });

interface Given {
  readonly wanted?: readonly Registration[];
  readonly observed?: readonly OwnInstance[];
  readonly others?: Others;
  readonly policy?: Partial<Policy>;
  /** Instances of other pods of ours. */
  readonly more?: readonly OwnInstance[];
  /** How many instances the pod keeps that are not wanted. */
  readonly staying?: number;
}

function admit({ wanted = [WANTED], observed = [], others = NOBODY, more = [], staying = 0, ...given }: Given) {
  const places = new Places(new MemoryConsul(...observed, ...more));
  const admission = new Admission(policy(given.policy), others, places);
  const byIdentity = <T>(all: readonly T[], registration: (one: T) => Registration) =>
    new Map(all.map((one) => [identityOf(registration(one)), one]));
  return admission.admit(
    POD,
    byIdentity(wanted, (registration) => registration),
    byIdentity(observed, ({ registration }) => registration),
    () => staying,
  );
}

/** In short: what becomes of each registration, and what is waited for. */
function outcome(given: Given): string[] {
  const { refused, unread, waitsFor, places } = admit(given);
  return [
    ...places.map(({ service }) => `place ${service}`),
    ...unread.map((service) => `unread ${service}`),
    ...[...refused.values()].map(({ reason }) => reason),
    ...waitsFor.map((wait) => {
      if ('right' in wait) return `waits for the right to ${wait.right.name}`;
      return 'name' in wait ? `waits for name ${wait.name}` : `waits for room in ${wait.namespace}`;
    }),
  ];
}

const ofPodOf = (namespace: string, name: string, overrides: Partial<Registration> = {}) =>
  observed(registrationOf(name, { id: `prod.${namespace}.${name}:orders:8080`, ...overrides }), {
    podKey: `${namespace}/${name}`,
  });

describe('a registration', () => {
  it.each<[string, Given, string[]]>([
    ['that nobody is in the way of is created', {}, ['place orders']],
    [
      'that the pod has at the same address and port stays, although a foreign instance has them too',
      { observed: [has(WANTED)], others: others({ orders: [HOLDER] }) },
      ['place orders'],
    ],
    [
      'that the pod has at the same address and port stays, whatever is unread and full',
      { observed: [has(WANTED)], others: others({ orders: 'unread' }), policy: { maxInstances: 1 } },
      ['place orders'],
    ],
    [
      'whose foreign instances are not known has to wait until they are read',
      { others: others({ orders: 'unread' }) },
      ['unread orders'],
    ],
    [
      'whose address and port a live foreign instance has is a duplicate',
      { others: others({ orders: [NEIGHBOUR, HOLDER] }) },
      ['Duplicate', 'waits for name orders'],
    ],
    [
      'whose address and port a critical foreign instance has is created',
      { others: others({ orders: [{ ...HOLDER, status: 'critical' }] }) },
      ['place orders'],
    ],
    [
      'that the pod has at another address is updated, even where there is no room',
      {
        observed: [has({ ...WANTED, address: '10.1.0.9' })],
        policy: { maxInstances: 1 },
        more: [ofPodOf('shop', 'b')],
      },
      ['place orders'],
    ],
    [
      'that the pod has at another port is updated',
      {
        observed: [has({ ...WANTED, port: 9090 })],
        policy: { default: 'deny' },
        others: others({ orders: [NEIGHBOUR] }),
      },
      ['place orders'],
    ],
    [
      'that the pod has under another spelling of its ID is its own',
      { observed: [has({ ...WANTED, id: WANTED.id.toUpperCase() })], others: others({ orders: [HOLDER] }) },
      ['place orders'],
    ],
    [
      'that moves to where a foreign instance is, is a duplicate',
      { observed: [has({ ...WANTED, address: '10.1.0.9' })], others: others({ orders: [HOLDER] }) },
      ['Duplicate', 'waits for name orders'],
    ],
    [
      'that moves while nobody knows who is there keeps its place and waits',
      { observed: [has({ ...WANTED, address: '10.1.0.9' })], others: others({ orders: 'unread' }) },
      ['place orders', 'unread orders'],
    ],
    [
      'whose name others have is refused by a policy that denies',
      { policy: { default: 'deny' }, others: others({ orders: [NEIGHBOUR] }) },
      ['PolicyDenied', 'waits for name orders'],
    ],
    [
      'whose name another namespace had first is refused by a policy that denies, in any spelling',
      {
        wanted: [registrationOf('a', { service: 'Orders' })],
        policy: { default: 'deny' },
        more: [ofPodOf('bank', 'b')],
      },
      ['PolicyDenied', 'waits for name orders'],
    ],
    [
      'whose name another namespace has is created by an open policy',
      { more: [ofPodOf('bank', 'b')], others: others({ orders: [NEIGHBOUR] }) },
      ['place orders'],
    ],
    [
      'of a namespace that is full is refused',
      { policy: { maxInstances: 2 }, more: [ofPodOf('shop', 'b'), ofPodOf('shop', 'c')] },
      ['QuotaExceeded', 'waits for room in shop'],
    ],
    [
      'of a namespace with room is created, whatever other namespaces have',
      { policy: { maxInstances: 2 }, more: [ofPodOf('shop', 'b'), ofPodOf('bank', 'c'), ofPodOf('bank', 'd')] },
      ['place orders'],
    ],
    [
      'beside what its pod keeps counts with that',
      { policy: { maxInstances: 2 }, staying: 1, more: [ofPodOf('shop', 'b')] },
      ['QuotaExceeded', 'waits for room in shop'],
    ],
    [
      'beside others of its pod counts with them',
      {
        wanted: [WANTED, registrationOf('a', { id: 'prod.shop.a:admin:9000', service: 'admin', port: 9000 })],
        policy: { maxInstances: 2 },
        more: [ofPodOf('shop', 'b')],
      },
      ['place orders', 'QuotaExceeded', 'waits for room in shop'],
    ],
    [
      'that is new counts with what its pod has, whichever comes first',
      {
        wanted: [registrationOf('a', { id: 'prod.shop.a:admin:9000', service: 'admin', port: 9000 }), WANTED],
        observed: [has(WANTED)],
        policy: { maxInstances: 1 },
      },
      ['place orders', 'QuotaExceeded', 'waits for room in shop'],
    ],
  ])('%s', (_, given, expected) => {
    expect(outcome(given)).toEqual(expected);
  });

  it('is told who is in its way', () => {
    const [rejection] = admit({ others: others({ orders: [HOLDER] }) }).refused.values();
    expect(rejection?.message).toBe(
      'instance "self" on Consul node "vm-1" already is "orders" at 10.1.0.7:8080; Consular registers the pod when that one goes',
    );
  });
});

it('admitting again gives the same answer: nothing is remembered', () => {
  const places = new Places(new MemoryConsul());
  const admission = new Admission(policy({ maxInstances: 1, default: 'deny' }), NOBODY, places);
  const wanted = new Map([[identityOf(WANTED), WANTED]]);
  const admit = (podKey: string) => admission.admit(podKey, wanted, new Map(), () => 0);
  const first = admit(POD);
  expect(admit('shop/b').refused.size).toBe(0);
  expect(admit(POD)).toEqual(first);
});

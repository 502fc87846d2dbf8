import { describe, expect, it } from '@jest/globals';
import { TransactionConflict } from '../../../../src/consul/errors.ts';
import { operationList } from '../../../../src/consul/transaction.ts';
import { composeBatch, refusedGroups, touchedBy, type Batch } from '../../../../src/to-consul/write/batch.ts';
import type { Group } from '../../../../src/to-consul/write/group.ts';
import { nodeOperation, toOperations, type PodChanges } from '../../../../src/to-consul/write/operations.ts';
import { owner } from '../../builders.ts';
import { registrationOf } from '../instances.ts';
import { shown } from '../transactions.ts';
import { instanceOf, NODE_1, NODE_2, Picture } from './picture.ts';

const NEW_NODE = { name: 'k8s-prod--new', address: '192.168.1.20' };
const MOST = { operations: 128, bytes: 400 * 1024 };

function creation(name: string, node = NODE_1): PodChanges {
  return { create: [registrationOf(name, { node })], update: [], remove: [] };
}
function removal(name: string, node = NODE_1): PodChanges {
  return { create: [], update: [], remove: [instanceOf(name, node)] };
}
const NOTHING: PodChanges = { create: [], update: [], remove: [] };

interface Given {
  readonly own?: Picture;
  readonly closed?: readonly string[];
  readonly limits?: Partial<typeof MOST>;
  /** Keys and nodes that rest. */
  readonly resting?: readonly string[];
}

function compose(
  wishes: Readonly<Record<string, PodChanges | Error>>,
  { own = new Picture([NODE_1, NODE_2]), closed = [], limits = {}, resting = [] }: Given = {},
): Batch {
  const plan = (key: string) => {
    const wish = wishes[key] ?? NOTHING;
    if (wish instanceof Error) throw wish;
    return wish;
  };
  const rests = (name: string) => resting.includes(name);
  const source = {
    ...{ owner, own, plan, closedNodes: new Set(closed) },
    resting: { hasKey: rests, hasNode: rests },
  };
  return composeBatch(Object.keys(wishes), source, { ...MOST, ...limits }, MOST);
}

const keysOf = ({ groups }: Batch) => groups.map(({ key }) => key);
/** An instance with meta of that many KiB. */
function large(kibibytes: number): PodChanges {
  const meta = new Map(Array.from({ length: kibibytes }, (_, i) => [`key-${i}`, 'x'.repeat(1010)]));
  return { create: [registrationOf('large', { node: NODE_1, meta })], update: [], remove: [] };
}

describe('a batch', () => {
  it('has the groups in the order of the keys, with all their operations', () => {
    const batch = compose({ b: creation('b'), a: removal('a') });
    expect(keysOf(batch)).toEqual(['b', 'a']);
    expect(batch.groups.map(({ operations }) => shown(operations))).toEqual([
      [`cas service orders on ${NODE_1.name} @0`, `cas check of orders on ${NODE_1.name} @0`],
      [`delete-cas service orders on ${NODE_1.name} @20`],
    ]);
    expect(batch.size).toEqual({
      operations: 3,
      bytes: Buffer.byteLength(`[${batch.groups.map(({ text }) => text).join(',')}]`),
    });
  });

  it('settles a key that has nothing to write', () => {
    const batch = compose({ a: NOTHING, b: creation('b') });
    expect(keysOf(batch)).toEqual(['b']);
    expect(batch.settled).toEqual(new Map([['a', undefined]]));
  });

  it.each<[string, PodChanges | Error, string]>([
    ['cannot be planned', new Error('no such pod'), 'no such pod'],
    [
      'removes what was never seen',
      { ...NOTHING, remove: [instanceOf('a', NODE_1, 0)] },
      'remove instance prod.shop.a:orders:8080: expected an ID and an index, found none',
    ],
  ])('settles a key that %s, with the reason, and goes on', (_, wish, why) => {
    const batch = compose({ a: wish, b: creation('b') });
    expect(keysOf(batch)).toEqual(['b']);
    expect(batch.settled.get('a')).toMatchObject({ message: 'compose the operations of a', cause: { message: why } });
  });

  it('settles a key whose node is not ours to write', () => {
    const own = new Picture([NODE_1]);
    own.nodes.set(NODE_2.name, { state: 'refused', why: 'it belongs to an agent' });
    const batch = compose({ a: creation('a', NODE_2), b: creation('b') }, { own });
    expect(keysOf(batch)).toEqual(['b']);
    expect(batch.settled.get('a')?.message).toBe('register a: it belongs to an agent');
  });

  it('settles a key that is more than a transaction can be, once it is the first', () => {
    expect(keysOf(compose({ b: creation('b'), a: large(500) }))).toEqual(['b']);
    const batch = compose({ a: large(500), b: creation('b') });
    expect(keysOf(batch)).toEqual(['b']);
    expect(batch.settled.get('a')?.message).toMatch(
      /^write a to Consul: 2 operations of 5\d{5} bytes do not fit in one transaction$/,
    );
  });

  it.each<[string, Partial<typeof MOST>, string[]]>([
    ['operations', { operations: 5 }, ['a', 'b']],
    ['bytes', { bytes: 1300 }, ['a', 'b']],
  ])('ends where the limit of %s is reached', (_, limits, keys) => {
    const wishes = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((key) => [key, creation(key)]));
    const batch = compose(wishes, { limits });
    expect(keysOf(batch)).toEqual(keys);
    expect(batch.size.bytes).toBeLessThanOrEqual(limits.bytes ?? MOST.bytes);
  });

  it('sends a group alone that is more than the limits, and less than can be sent at all', () => {
    expect(keysOf(compose({ a: large(100), b: creation('b') }, { limits: { bytes: 1000 } }))).toEqual(['a']);
  });

  it('leaves a key that needs a closed node for later, though not a key that only removes there', () => {
    const wishes = { a: creation('a', NODE_2), b: creation('b'), c: removal('c', NODE_2) };
    const batch = compose(wishes, { closed: [NODE_2.name] });
    expect(keysOf(batch)).toEqual(['b', 'c']);
    expect(batch.settled.size).toBe(0);
  });

  it('looks no further after 64 keys that wait for a node', () => {
    const waiting = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`waits-${i}`, creation(`waits-${i}`, NODE_2)]));
    const given = { closed: [NODE_2.name] };
    expect(keysOf(compose({ ...waiting(63), a: creation('a') }, given))).toEqual(['a']);
    expect(keysOf(compose({ ...waiting(64), a: creation('a') }, given))).toEqual([]);
  });
});

describe('what rests', () => {
  it('is left out: a key that touches a node of those in any way, however many there are', () => {
    const many = Array.from({ length: 100 }, (_, i) => [`rests-${i}`, creation(`rests-${i}`, NODE_2)] as const);
    const moved: PodChanges = { ...creation('moved', NODE_1), remove: [instanceOf('moved', NODE_2)] };
    const wishes = { ...Object.fromEntries(many), a: removal('a', NODE_2), b: creation('b'), moved };
    const batch = compose(wishes, { resting: [NODE_2.name] });
    expect(keysOf(batch)).toEqual(['b']);
    expect(batch.resting).toEqual([...many.map(([key]) => key), 'a', 'moved']);
    expect(batch.settled.size).toBe(0);
  });

  it('is a key itself, of which nobody asks what is to change: what Consul has of it is not known', () => {
    const batch = compose({ a: NOTHING, b: new Error('asked') }, { resting: ['a', 'b'] });
    expect([batch.resting, batch.settled.size]).toEqual([['a', 'b'], 0]);
  });

  it('is no key with nothing to change, which only has an instance on such a node', () => {
    const own = new Picture([NODE_1], [instanceOf('a')]);
    expect([...compose({ a: NOTHING }, { own, resting: [NODE_1.name] }).settled.keys()]).toEqual(['a']);
  });
});

describe('the node of an instance', () => {
  it('that is absent comes with the first group that needs it, and once', () => {
    const batch = compose({ a: creation('a', NEW_NODE), b: creation('b', NEW_NODE) });
    expect(shown(batch.groups.flatMap(({ operations }) => operations))).toEqual([
      `cas node ${NEW_NODE.name} @0`,
      ...Array.from({ length: 2 }, () => [
        `cas service orders on ${NEW_NODE.name} @0`,
        `cas check of orders on ${NEW_NODE.name} @0`,
      ]).flat(),
    ]);
    expect(batch.nodes).toEqual(new Set([NEW_NODE.name]));
  });

  it('that has two instances of one pod comes once', () => {
    const two = [registrationOf('a', { node: NEW_NODE }), registrationOf('a', { node: NEW_NODE, id: 'another' })];
    const batch = compose({ a: { ...NOTHING, create: two } });
    expect(shown(batch.groups[0]?.operations ?? []).filter((operation) => operation.startsWith('cas node'))).toEqual([
      `cas node ${NEW_NODE.name} @0`,
    ]);
  });

  it.each([
    ['has another address', { address: '192.168.1.99', isIntact: true }],
    ['was spoilt by somebody', { address: NODE_1.address, isIntact: false }],
  ])('that %s is corrected by its index', (_, more) => {
    const own = new Picture();
    own.nodes.set(NODE_1.name, { state: 'ours', modifyIndex: 33, ...more });
    const batch = compose({ a: creation('a') }, { own });
    expect(shown(batch.groups[0]?.operations ?? [])[0]).toBe(`cas node ${NODE_1.name} @33`);
  });

  it('that alone is wrong is corrected by one key, and the others wait for that', () => {
    const own = new Picture([], [instanceOf('a'), instanceOf('b')]);
    own.nodes.set(NODE_1.name, { state: 'ours', address: NODE_1.address, isIntact: false, modifyIndex: 33 });
    const same = (name: string): PodChanges => {
      const observed = instanceOf(name);
      return { ...NOTHING, update: [{ desired: observed.registration, observed }] };
    };
    const batch = compose({ a: same('a'), b: same('b') }, { own });
    expect(keysOf(batch)).toEqual(['a']);
    expect(batch.settled.size).toBe(0);
  });
});

describe('what a transaction touches', () => {
  it('are its nodes as a whole where it brings them, and elsewhere its pods', () => {
    const moved: PodChanges = { ...creation('a', NEW_NODE), remove: [instanceOf('a', NODE_1)] };
    const batch = compose({ a: moved, b: creation('b', NEW_NODE), c: creation('c', NODE_1) });
    expect(touchedBy(batch)).toEqual(
      new Map([
        [NEW_NODE.name, undefined],
        [NODE_1.name, new Set(['a', 'c'])],
      ]),
    );
  });
});

describe('a conflict that names', () => {
  const group = (key: string, node: typeof NEW_NODE, bringsNode: boolean): Group => {
    const changes = creation(key, node);
    const nodes = bringsNode ? [nodeOperation(owner, node, 0)] : [];
    return { key, changes, isWhole: true, ...operationList([...nodes, ...toOperations(changes)]) };
  };
  /** One transaction: 0 the new node, 1 and 2 pod a on it, 3 and 4 pod b on it, 5 and 6 pod c on a node that is there. */
  const groups = [group('a', NEW_NODE, true), group('b', NEW_NODE, false), group('c', NODE_1, false)];

  it.each([
    ['the service of one, refuses that one', [1], ['a']],
    ['the check of another, refuses that one', [4], ['b']],
    ['two of them, refuses both', [3, 6], ['b', 'c']],
    ['one of them twice, refuses it once', [5, 6], ['c']],
    ['a node, refuses all groups that need it', [0], ['a', 'b']],
    ['something that was not sent, refuses all', [99], ['a', 'b', 'c']],
    ['something without a number, refuses all', [-1], ['a', 'b', 'c']],
    ['nothing, refuses all', [], ['a', 'b', 'c']],
  ])('%s', (_, indexes, keys) => {
    const conflict = new TransactionConflict(indexes.map((index) => ({ index, what: 'index is stale' })));
    expect([...refusedGroups(groups, conflict)].map(({ key }) => key)).toEqual(keys);
  });
});

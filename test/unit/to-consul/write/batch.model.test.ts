import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Operation } from '../../../../src/consul/transaction.ts';
import { composeBatch } from '../../../../src/to-consul/write/batch.ts';
import type { GroupSource } from '../../../../src/to-consul/write/group.ts';
import { nodesTouched, type PodChanges } from '../../../../src/to-consul/write/operations.ts';
import { owner } from '../../builders.ts';
import { registrationOf } from '../instances.ts';
import { instanceOf, Picture } from './picture.ts';

const MOST = { operations: 24, bytes: 12_000 };
const nodeAt = (i: number) => ({ name: `k8s-prod--worker-${i}`, address: `192.168.1.${i}` });
const states = ['absent', 'ours', 'moved', 'spoilt', 'refused'] as const;

/** What is wished for a key: instances to create, to change and to remove, each on one of five nodes. */
const wishes = fc.record({
  create: fc.array(fc.nat(4), { maxLength: 6 }),
  update: fc.array(fc.nat(4), { maxLength: 4 }),
  remove: fc.array(fc.nat(4), { maxLength: 4 }),
  tag: fc.string({ maxLength: 2000 }),
});
const worlds = fc.record({
  nodes: fc.array(fc.constantFrom(...states), { minLength: 5, maxLength: 5 }),
  closed: fc.array(fc.nat(4), { maxLength: 2 }),
  resting: fc.record({ nodes: fc.array(fc.nat(4), { maxLength: 2 }), keys: fc.array(fc.nat(9), { maxLength: 3 }) }),
  keys: fc.array(wishes, { maxLength: 10 }),
  limits: fc.record({ operations: fc.integer({ min: 8, max: 24 }), bytes: fc.integer({ min: 500, max: 12_000 }) }),
});
type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never;

function pictureOf({ nodes }: World): Picture {
  const own = new Picture();
  for (const [i, state] of nodes.entries()) {
    const { name, address } = nodeAt(i);
    if (state === 'refused') own.nodes.set(name, { state, why: 'it belongs to an agent' });
    else if (state !== 'absent')
      own.nodes.set(name, {
        state: 'ours',
        address: state === 'moved' ? '192.168.9.9' : address,
        isIntact: state !== 'spoilt',
        modifyIndex: 5,
      });
  }
  return own;
}

function changesOf(key: number, { create, update, remove, tag }: World['keys'][number]): PodChanges {
  const of = (kind: string, i: number, at: number) => instanceOf(`${kind}-${key}-${i}`, nodeAt(at));
  return {
    create: create.map((at, i) => registrationOf(`new-${key}-${i}`, { node: nodeAt(at), tags: [tag] })),
    update: update.map((at, i) => {
      const observed = of('changed', i, at);
      return { desired: { ...observed.registration, tags: [tag] }, observed };
    }),
    remove: remove.map((at, i) => of('gone', i, at)),
  };
}

function sourceOf(world: World): GroupSource {
  return {
    owner,
    own: pictureOf(world),
    plan: (key) => changesOf(Number(key), world.keys[Number(key)] ?? { create: [], update: [], remove: [], tag: '' }),
    resting: {
      hasKey: (key) => world.resting.keys.includes(Number(key)),
      hasNode: (name) => world.resting.nodes.some((i) => nodeAt(i).name === name),
    },
    closedNodes: new Set(world.closed.map((i) => nodeAt(i).name)),
  };
}

/** The node that an operation needs, if it writes anything there. */
function neededBy(operation: Operation): string | undefined {
  if ('Check' in operation) return operation.Check.Check.Node;
  return 'Service' in operation && operation.Service.Verb !== 'delete-cas' ? operation.Service.Node : undefined;
}

describe('any batch', () => {
  const check = (property: (world: World, source: GroupSource, keys: string[]) => void) =>
    fc.assert(
      fc.property(worlds, (world) =>
        property(
          world,
          sourceOf(world),
          world.keys.map((_, i) => String(i)),
        ),
      ),
      { numRuns: 300 },
    );

  it('is within what can be sent, and of one group or within the limits', () => {
    check((world, source, keys) => {
      const { groups, size } = composeBatch(keys, source, world.limits, MOST);
      const text = `[${groups.map((group) => group.text).join(',')}]`;
      const operations = groups.flatMap((group) => group.operations);
      expect(JSON.parse(text)).toHaveLength(operations.length);
      if (groups.length > 0) expect(size).toEqual({ operations: operations.length, bytes: Buffer.byteLength(text) });
      const limits = groups.length > 1 ? world.limits : MOST;
      expect(operations.length).toBeLessThanOrEqual(limits.operations);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(Math.max(limits.bytes, 2));
    });
  });

  it('has each key at most once, sent, settled or resting, and those sent in the order in which they came', () => {
    check((world, source, keys) => {
      const { groups, settled, resting } = composeBatch(keys, source, world.limits, MOST);
      const sent = groups.map(({ key }) => key);
      expect(sent).toEqual(keys.filter((key) => sent.includes(key)));
      const all = [...sent, ...settled.keys(), ...resting];
      expect(new Set(all).size).toBe(all.length);
    });
  });

  it('writes to a node only when that is right, or was put right before in the same batch', () => {
    check((world, source, keys) => {
      const { groups, nodes } = composeBatch(keys, source, world.limits, MOST);
      const brought = new Set<string>();
      for (const operation of groups.flatMap((group) => group.operations)) {
        if ('Node' in operation) {
          expect(brought).not.toContain(operation.Node.Node.Node);
          brought.add(operation.Node.Node.Node);
        }
        const needed = neededBy(operation);
        if (needed === undefined) continue;
        expect(source.closedNodes).not.toContain(needed);
        const isRight = world.nodes[Number(needed.slice(-1))] === 'ours';
        expect(isRight || brought.has(needed)).toBe(true);
      }
      expect(nodes).toEqual(brought);
    });
  });

  it('touches nothing that rests, and rests nothing else', () => {
    check((world, source, keys) => {
      const { groups, resting } = composeBatch(keys, source, world.limits, MOST);
      const touchesResting = ({ changes }: { readonly changes: PodChanges }) =>
        nodesTouched(changes).some((name) => source.resting.hasNode(name));
      expect(groups.filter((group) => touchesResting(group) || source.resting.hasKey(group.key))).toEqual([]);
      for (const key of resting)
        expect(source.resting.hasKey(key) || touchesResting({ changes: source.plan(key) })).toBe(true);
    });
  });

  it('never stands still: what waits has a reason to wait', () => {
    check((world, source, keys) => {
      const { groups, settled, resting } = composeBatch(keys, source, world.limits, MOST);
      const isFree = world.closed.length === 0;
      if (keys.length > 0 && isFree) expect(groups.length + settled.size + resting.length).toBeGreaterThan(0);
    });
  });
});

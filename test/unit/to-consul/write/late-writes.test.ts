import { describe, expect, it } from '@jest/globals';
import type { Operation } from '../../../../src/consul/transaction.ts';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import { LateWrites } from '../../../../src/to-consul/write/late-writes.ts';
import { renewalOperations, toOperations, type PodChanges } from '../../../../src/to-consul/write/operations.ts';
import { shown } from '../transactions.ts';
import { instanceOf, NODE_1, Picture } from './picture.ts';

const KEY = 'shop/a';
const NOTHING: PodChanges = { create: [], update: [], remove: [] };
const critical = { status: 'critical', notes: 'notes', output: 'Pod is not Ready' } as const;
const observed = instanceOf('a');
const on = NODE_1.name;

const change = (given: Partial<OwnInstance['registration']>): PodChanges => ({
  ...NOTHING,
  update: [{ desired: { ...observed.registration, ...given }, observed }],
});
const removal: PodChanges = { ...NOTHING, remove: [observed] };
const renewed = {
  service: [`cas service orders on ${on} @20`, `set service orders on ${on} @20`],
  check: [`cas check of orders on ${on} @21`, `set check of orders on ${on} @21`],
};

/** What has to be written for the key after these operations went out and nobody knows what became of them. */
function guarded(late: readonly Operation[], changes: PodChanges, own = new Picture([NODE_1], [observed])): string[] {
  const writes = new LateWrites();
  writes.add(KEY, late);
  const guarded = writes.guard(KEY, changes, own);
  return shown([...toOperations(guarded.changes), ...[...guarded.renewals.values()].flat()]);
}

describe('after a write of which nobody knows', () => {
  it.each<[string, readonly Operation[], PodChanges, string[]]>([
    ['a removal, of what is to stay: its service is renewed', toOperations(removal), NOTHING, renewed.service],
    ['a change, of what is to stay: the same', toOperations(change({ tags: ['x'] })), NOTHING, renewed.service],
    ['a change of the check: the check is renewed', toOperations(change({ check: critical })), NOTHING, renewed.check],
    [
      'a change of both: both are renewed',
      toOperations(change({ tags: ['x'], check: critical })),
      NOTHING,
      [...renewed.service, ...renewed.check],
    ],
    [
      'a change, of what changes again: that moves the index',
      toOperations(change({ tags: ['x'] })),
      change({ tags: ['y'] }),
      [`cas service orders on ${on} @20`],
    ],
    [
      'a change of the check, of what changes otherwise: the check is renewed beside it',
      toOperations(change({ check: critical })),
      change({ tags: ['y'] }),
      [`cas service orders on ${on} @20`, ...renewed.check],
    ],
    [
      'a change, of what is to go: the removal names the same index',
      toOperations(change({ tags: ['x'] })),
      removal,
      [`delete-cas service orders on ${on} @20`],
    ],
    [
      'a creation: no index, so nothing to move',
      toOperations({ ...NOTHING, create: [observed.registration] }),
      NOTHING,
      [],
    ],
    [
      'a renewal: what it named is named by its first operation',
      renewalOperations({ desired: observed.registration, observed }, 'Service'),
      NOTHING,
      renewed.service,
    ],
  ])('%s', (_, late, changes, operations) => {
    expect(guarded(late, changes)).toEqual(operations);
  });

  it('an instance on a node that others have changed is not written as it was found', () => {
    const own = new Picture([], [observed]);
    own.nodes.set(on, { state: 'ours', address: NODE_1.address, isIntact: false, modifyIndex: 5 });
    expect(guarded(toOperations(removal), NOTHING, own)).toEqual([]);
    expect(guarded(toOperations(removal), change({ tags: ['y'] }), own)).toEqual([`cas service orders on ${on} @20`]);
  });

  it.each<[string, readonly OwnInstance[]]>([
    ['has gone', []],
    ['has moved its index', [{ ...observed, serviceIndex: 30 }]],
    ['is another by its index, whatever its check is', [{ ...observed, serviceIndex: 30, checkIndex: 31 }]],
  ])('an instance that %s is no concern any more', (_, instances) => {
    expect(guarded(toOperations(removal), NOTHING, new Picture([NODE_1], instances))).toEqual([]);
  });

  it('a key of which nothing is known is left as it is', () => {
    const writes = new LateWrites();
    const changes = change({ tags: ['x'] });
    expect(writes.guard(KEY, changes, new Picture([NODE_1], [observed]))).toEqual({
      changes,
      renewals: new Map(),
    });
  });

  it('is forgotten for good once the index has moved, though an instance with the old index should be there again', () => {
    const writes = new LateWrites();
    writes.add(KEY, toOperations(removal));
    writes.review(KEY, new Map());
    expect(writes.guard(KEY, NOTHING, new Picture([NODE_1], [observed])).renewals.size).toBe(0);
  });

  it('keeps the instances of a pod apart', () => {
    const other = { ...instanceOf('a', NODE_1, 40), registration: { ...observed.registration, id: 'prod.shop.a:b:1' } };
    const writes = new LateWrites();
    writes.add(KEY, toOperations({ ...NOTHING, remove: [observed, other] }));
    const moved = new Picture([NODE_1], [{ ...observed, serviceIndex: 30 }, other]);
    expect(shown([...writes.guard(KEY, NOTHING, moved).renewals.values()].flat())).toEqual([
      `cas service orders on ${on} @40`,
      `set service orders on ${on} @40`,
    ]);
  });
});

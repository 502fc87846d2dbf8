import { expect, it } from '@jest/globals';
import type { NodeState, OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import { hasOlder } from '../../../../src/to-consul/observed/older.ts';
import { identityOf } from '../../../../src/to-consul/registration/registration.ts';
import { observed } from '../instances.ts';

const NODE = (modifyIndex: number): NodeState => ({
  state: 'ours',
  address: '192.168.1.11',
  isIntact: true,
  modifyIndex,
});
const state = (node: NodeState, ...instances: OwnInstance[]) => ({
  node,
  instances: new Map(instances.map((instance) => [identityOf(instance.registration), instance])),
});
const instance = (serviceIndex: number, checkIndex: number) => observed({}, { serviceIndex, checkIndex });
const known = state(NODE(10), instance(11, 12));

it.each([
  ['all is as it was', state(NODE(10), instance(11, 12)), false],
  ['somebody wrote the node', state(NODE(20), instance(11, 12)), false],
  ['somebody wrote the instance', state(NODE(10), instance(20, 12)), false],
  ['somebody took the check away', state(NODE(10), instance(11, 0)), false],
  ['somebody took the instance away', state(NODE(10)), false],
  ['somebody took the node away', state({ state: 'absent' }), false],
  ['the node is older', state(NODE(9), instance(11, 12)), true],
  ['the instance is older', state(NODE(10), instance(10, 12)), true],
  ['its check is older', state(NODE(10), instance(11, 11)), true],
])('%s', (_, now, isOlder) => {
  expect(hasOlder(known, now, new Set())).toBe(isOlder);
});

it('what is known of a pod from a commit meanwhile does not count', () => {
  const { podKey } = instance(10, 12);
  expect(hasOlder(known, state(NODE(10), instance(10, 12)), new Set([podKey]))).toBe(false);
});

it('an instance that was not known is no older', () => {
  expect(hasOlder(state({ state: 'absent' }), state(NODE(1), instance(1, 1)), new Set())).toBe(false);
});

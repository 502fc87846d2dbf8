import { expect, it } from '@jest/globals';
import { concernedBy } from '../../../src/consul/health-states.ts';

/** By key; a service, or with an empty one the node itself. */
type Checks = Record<string, readonly [node: string, service: string]>;
const checks = (given: Checks) =>
  new Map(Object.entries(given).map(([key, [node, service]]) => [key, { node, service }]));

it.each<[string, Checks, Checks, string[], string[]]>([
  ['nothing', { 'vm-1/a': ['vm-1', 'orders'] }, { 'vm-1/a': ['vm-1', 'orders'] }, [], []],
  ['a service whose check came', {}, { 'vm-1/a': ['vm-1', 'Orders'] }, ['orders'], []],
  ['a service whose check went', { 'vm-1/a': ['vm-1', 'orders'] }, {}, ['orders'], []],
  [
    'a service once, for many checks',
    { 'vm-1/a': ['vm-1', 'orders'] },
    { 'vm-2/a': ['vm-2', 'Orders'] },
    ['orders'],
    [],
  ],
  ['a node whose own check came', {}, { 'vm-1/serfHealth': ['vm-1', ''] }, [], ['vm-1']],
  ['a node whose own check went', { 'vm-1/serfHealth': ['vm-1', ''] }, {}, [], ['vm-1']],
  ['a node with a slash in its name', {}, { 'rack/7/a/b': ['rack/7', ''] }, [], ['rack/7']],
])('a change of health concerns %s', (_, before, now, services, nodes) => {
  const concerned = concernedBy(checks(before), checks(now));
  expect([[...concerned.services], [...concerned.nodes]]).toEqual([services, nodes]);
});

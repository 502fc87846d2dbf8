import { expect, it } from '@jest/globals';
import { concernedBy } from '../../../src/consul/health-states.ts';
import { strings } from '../builders.ts';

it.each([
  ['nothing', { 'vm-1/a': 'orders' }, { 'vm-1/a': 'orders' }, [], []],
  ['a service whose check came', {}, { 'vm-1/a': 'Orders' }, ['orders'], []],
  ['a service whose check went', { 'vm-1/a': 'orders' }, {}, ['orders'], []],
  ['a service once, for many checks', { 'vm-1/a': 'orders' }, { 'vm-2/a': 'Orders' }, ['orders'], []],
  ['a node whose own check came', {}, { 'vm-1/serfHealth': '' }, [], ['vm-1']],
  ['a node whose own check went', { 'vm-1/serfHealth': '' }, {}, [], ['vm-1']],
  ['a node whose check has a slash in its name', {}, { 'vm-1/a/b': '' }, [], ['vm-1']],
])('a change of health concerns %s', (_, before, now, services, nodes) => {
  const concerned = concernedBy(strings(before), strings(now));
  expect([[...concerned.services], [...concerned.nodes]]).toEqual([services, nodes]);
});

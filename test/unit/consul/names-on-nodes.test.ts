import { expect, it } from '@jest/globals';
import { NamesOnNodes } from '../../../src/consul/names-on-nodes.ts';
import { instance } from '../builders.ts';

it('services are found by the nodes of their instances, as these were read last', () => {
  const names = new NamesOnNodes();
  const read = (name: string, ...nodes: string[]) =>
    names.take(
      name,
      nodes.map((node) => instance({ node })),
    );
  read('orders', 'vm-1', 'vm-2', 'vm-2');
  read('stock', 'vm-2');
  read('empty');
  expect([...names.on(['vm-2', 'vm-3'])].sort()).toEqual(['orders', 'stock']);
  expect([...names.on(['vm-1'])]).toEqual(['orders']);
  expect([...names.on([])]).toEqual([]);
  read('orders', 'vm-3');
  read('stock');
  expect([...names.on(['vm-1', 'vm-2'])]).toEqual([]);
  expect([...names.on(['vm-3'])]).toEqual(['orders']);
});

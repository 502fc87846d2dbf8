import { describe, expect, it } from '@jest/globals';
import { HeldInstances } from '../../../../src/to-consul/report/held.ts';

describe('what Consular itself says is wrong', () => {
  it('has what many pods lack a right for once for each right, with how many they are', () => {
    const alike = new Map([
      ['Pod shop/b', { shared: ['no right to orders'], others: '' }],
      ['Pod shop/a', { shared: ['no right to orders', 'no right to node-1'], others: 'no such port' }],
    ]);
    const rejected = new Map([
      ['Pod shop/b', 'no right to orders'],
      ['Pod shop/a', 'no right to orders; no right to node-1; no such port'],
      ['Service shop/c', 'no pod'],
    ]);
    expect([...new HeldInstances().troubles(rejected, alike)]).toEqual([
      '2 Pods, such as shop/a: no right to orders',
      'Pod shop/a: no right to node-1',
      'Pod shop/a: no such port',
      'Service shop/c: no pod',
    ]);
  });
});

import { describe, expect, it } from '@jest/globals';
import { ConsulError, TransactionConflict } from '../../../src/consul/errors.ts';
import { decodeCommitted, decodeFailures } from '../../../src/consul/transaction.ts';

describe('a committed transaction', () => {
  it('tells the new index of everything that was written', () => {
    const Results = [
      { Node: { Node: 'k8s-prod--worker-1', ModifyIndex: 20 } },
      { Service: { ID: 'orders-1', Service: 'orders', ModifyIndex: 21 } },
      { Check: { Node: 'k8s-prod--worker-1', CheckID: 'orders-1', ServiceID: 'orders-1', ModifyIndex: 22 } },
      { KV: { Key: 'consular/prod/leader', ModifyIndex: 23 } },
    ];
    expect(decodeCommitted({ Results, Errors: null })).toEqual({
      nodes: new Map([['k8s-prod--worker-1', 20]]),
      services: new Map([['orders-1', 21]]),
      checks: new Map([['orders-1', 22]]),
    });
  });

  it.each([[null], [[]], [[null, 'x', {}, { Service: null }, { Node: {} }]]])(
    'that only removed something has results like %j',
    (Results) => {
      const { nodes, services, checks } = decodeCommitted({ Results });
      expect([nodes.size, services.size, checks.size]).toEqual([0, 0, 0]);
    },
  );

  it('has index 0 where Consul tells none: no later write can name it by mistake', () => {
    const Results = [{ Node: { Node: 'a' } }, { Service: { ID: 'b' } }, { Check: { CheckID: 'c' } }];
    const { nodes, services, checks } = decodeCommitted({ Results });
    expect([...nodes, ...services, ...checks]).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', 0],
    ]);
  });

  it.each([[null], [[]], ['true']])('with an answer of the wrong shape (%j) is an error', (body) => {
    expect(() => decodeCommitted(body)).toThrow('read transaction results: expected an object');
  });
});

describe('a refused transaction', () => {
  it('tells which operations were refused, and why', () => {
    const What = 'failed to set service "orders-1" on node "k8s-prod--worker-1": index is stale';
    const Errors = [null, { OpIndex: 3, What }, { What: 'no index' }];
    expect(decodeFailures(JSON.stringify({ Results: null, Errors }))).toEqual([
      { index: 3, what: What },
      { index: -1, what: 'no index' },
    ]);
  });

  it('without a list of errors names none', () => {
    expect(decodeFailures('{}')).toEqual([]);
  });
});

describe('the errors of Consul', () => {
  it.each([
    [new ConsulError('read service orders', 500, 'boom'), 'read service orders: Consul answered 500: boom'],
    [new ConsulError('read service orders', 0, ''), 'read service orders: no usable answer from Consul'],
    [new TransactionConflict([{ index: 0, what: 'x' }]), 'commit transaction: Consul refused 1 operation: x'],
  ])('say what was asked and what came back', (error, message) => {
    expect(error.message).toBe(message);
  });

  it('stay short when very much was refused', () => {
    const failures = Array.from({ length: 128 }, (_, index) => ({ index, what: 'x'.repeat(100) }));
    expect(new TransactionConflict(failures).message.length).toBeLessThan(600);
  });
});

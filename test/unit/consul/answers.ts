import type { ConsulAnswer } from '../../../src/consul/client.ts';

/** An answer as a healthy Consul gives it. */
export function answer(body: unknown, overrides: Partial<ConsulAnswer> = {}): ConsulAnswer {
  return { body, index: 7, knownLeader: true, filteredByAcls: false, ...overrides };
}

/** A row of health/service as Consul 1.22 gives it. */
export const row = {
  Node: { ID: '', Node: 'vm-1', Address: '10.20.0.1', Datacenter: 'dc1', Meta: { rack: '7' }, ModifyIndex: 12 },
  Service: {
    Kind: '',
    ID: 'orders-1',
    Service: 'Orders',
    Tags: ['v1', 'secure=true'],
    Address: '10.20.0.9',
    Port: 8080,
    Meta: { zone: 'eu-1a' },
    Weights: { Passing: 1, Warning: 1 },
    ModifyIndex: 13,
  },
  Checks: [{ Node: 'vm-1', CheckID: 'serfHealth', Status: 'passing' }],
};

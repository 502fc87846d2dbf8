import { describe, expect, it } from '@jest/globals';
import { Endpoints, type SliceEvent } from '../../../bench/to-kubernetes/endpoints.ts';

function event(type: string, name: string, service: string, ...addresses: string[]): SliceEvent {
  return {
    type,
    object: {
      metadata: { name, labels: { 'kubernetes.io/service-name': service } },
      endpoints: addresses.map((address) => ({ addresses: [address] })),
    },
  };
}

describe('endpoints as a watch of slices shows them', () => {
  it('are those of all slices of a service', () => {
    const endpoints = new Endpoints();
    endpoints.take(event('ADDED', 'a-1', 'a', '10.0.0.1', '10.0.0.2'));
    endpoints.take(event('ADDED', 'a-2', 'a', '10.0.0.3'));
    endpoints.take(event('ADDED', 'b-1', 'b', '10.0.0.4'));
    expect(endpoints.total).toBe(4);
    expect(endpoints.has('a', '10.0.0.3')).toBe(true);
    expect(endpoints.has('b', '10.0.0.3')).toBe(false);
  });

  it('go with an update, with their slice, and when there are none', () => {
    const endpoints = new Endpoints();
    endpoints.take(event('ADDED', 'a-1', 'a', '10.0.0.1', '10.0.0.2'));
    endpoints.take(event('ADDED', 'a-2', 'a', '10.0.0.3'));
    endpoints.take(event('MODIFIED', 'a-1', 'a', '10.0.0.2'));
    endpoints.take(event('DELETED', 'a-2', 'a', '10.0.0.3'));
    expect(endpoints.total).toBe(1);
    expect(endpoints.has('a', '10.0.0.1')).toBe(false);
    expect(endpoints.has('a', '10.0.0.3')).toBe(false);
    endpoints.take({ type: 'MODIFIED', object: { metadata: { name: 'a-1' }, endpoints: null } });
    expect(endpoints.total).toBe(0);
  });
});

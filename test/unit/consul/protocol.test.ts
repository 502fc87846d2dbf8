import { describe, expect, it } from '@jest/globals';
import { protocolOf } from '../../../src/consul/protocol.ts';
import type { ServiceInstance } from '../../../src/consul/types.ts';
import { instance, strings } from '../builders.ts';

describe('an instance speaks', () => {
  it.each<[string, string, Partial<ServiceInstance>]>([
    ['TCP', 'nothing', {}],
    ['UDP', 'the tag udp', { tags: ['a', 'udp'] }],
    ['UDP', 'an ID that ends in :udp', { id: 'host1:statsd:8125:udp' }],
    ['TCP', 'an ID with udp elsewhere', { id: 'udp:udp-proxy' }],
    ['UDP', 'meta protocol', { meta: strings({ protocol: 'UDP' }) }],
    ['UDP', 'a tag protocol', { tags: ['protocol=udp'] }],
    ['TCP', 'another protocol in the meta', { meta: strings({ protocol: 'http' }), tags: ['protocol=udp'] }],
  ])('%s when it says %s', (protocol, _, overrides) => {
    expect(protocolOf(instance(overrides))).toBe(protocol);
  });
});

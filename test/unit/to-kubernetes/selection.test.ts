import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../src/consul/types.ts';
import { foreignInstances, isNeverMirrored } from '../../../src/to-kubernetes/selection.ts';
import { instance, strings } from '../builders.ts';

describe('isNeverMirrored', () => {
  it.each([
    ['consul', true],
    ['consular', true],
    ['orders-management', true],
    ['orders-sidecar-proxy', true],
    ['orders', false],
    ['consul-ui', false],
    ['management', false],
    ['orders-management-ui', false],
  ])('%s: %p', (name, never) => {
    expect(isNeverMirrored(name)).toBe(never);
  });
});

describe('foreign instances', () => {
  const shown = (...instances: ServiceInstance[]) => foreignInstances(instances).map(({ id }) => id);
  const consular = (overrides: Partial<ServiceInstance> = {}) =>
    instance({ id: 'ours', meta: strings({ 'managed-by': 'consular', 'k8s-cluster': 'prod' }), ...overrides });

  it.each<[string, ServiceInstance, boolean]>([
    ['of a VM', instance({ id: 'x' }), true],
    ['of a pod that registered itself', instance({ id: 'x', address: '10.1.0.9' }), true],
    ['that are critical', instance({ id: 'x', status: 'critical' }), true],
    ['of Consular', consular({ id: 'x' }), false],
    [
      "of another cluster's Consular",
      consular({ id: 'x', meta: strings({ 'managed-by': 'consular', 'k8s-cluster': 'test' }) }),
      false,
    ],
    ['of consul-k8s', instance({ id: 'x', meta: strings({ 'external-source': 'kubernetes' }) }), false],
    ['of nomad', instance({ id: 'x', meta: strings({ 'external-source': 'nomad' }) }), true],
    ['that are proxies', instance({ id: 'x', kind: 'connect-proxy' }), false],
    ['that are gateways', instance({ id: 'x', kind: 'mesh-gateway' }), false],
  ])('%s', (_, given, foreign) => {
    expect(shown(given)).toEqual(foreign ? ['x'] : []);
  });

  it('are not at an address and port that we registered', () => {
    const pod = { address: '10.1.0.7', port: 8080 };
    expect(shown(consular(pod), instance({ id: 'self', ...pod }), instance({ id: 'other', ...pod, port: 81 }))).toEqual(
      ['other'],
    );
  });

  it('have the address of their node when they have none of their own', () => {
    const own = consular({ address: '10.20.0.1', port: 8080 });
    expect(shown(own, instance({ id: 'self', address: '', nodeAddress: '10.20.0.1', port: 8080 }))).toEqual([]);
  });
});

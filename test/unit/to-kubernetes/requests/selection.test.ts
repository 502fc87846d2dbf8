import { whyNotMirrored } from '../../../../src/to-kubernetes/requests/selection.ts';
import { describe, expect, it } from '@jest/globals';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import {
  instancesToMirror,
  isNamed,
  isNeverMirrored,
  type Selection,
} from '../../../../src/to-kubernetes/requests/selection.ts';
import { instance, owner, strings, toKubernetesConfig } from '../../builders.ts';

describe('isNeverMirrored', () => {
  it.each([
    ['consul', true],
    ['consular', true],
    ['orders', false],
    ['consul-ui', false],
    ['orders-management', false],
    ['orders-sidecar-proxy', false],
  ])('%s: %p', (name, never) => {
    expect(isNeverMirrored(name)).toBe(never);
  });
});

describe('isNamed', () => {
  it.each([
    [['user-management'], true],
    [['*', 'user-management'], true],
    [['*'], false],
    [['user-*'], false],
  ])('%j: %p', (include, named) => {
    expect(isNamed({ services: { include, exclude: [] } }, 'user-management')).toBe(named);
  });
});

describe('foreign instances', () => {
  const shown = (instances: readonly ServiceInstance[], config: Partial<Selection> = {}) =>
    instancesToMirror(instances, owner.cluster, { ...toKubernetesConfig(), ...config }).map(({ id }) => id);
  const consular = (overrides: Partial<ServiceInstance> = {}, cluster = owner.cluster) =>
    instance({ id: 'ours', meta: strings({ 'managed-by': 'consular', 'k8s-cluster': cluster }), ...overrides });

  it.each<[string, ServiceInstance, boolean]>([
    ['of a VM', instance(), true],
    ['of a pod that registered itself', instance({ address: '10.1.0.9' }), true],
    ['that are critical', instance({ status: 'critical' }), true],
    ['of Consular', consular(), false],
    ["of another cluster's Consular", consular({}, 'test'), false],
    [
      'of the catalog sync of consul-k8s, by its meta',
      instance({ meta: strings({ 'external-source': 'kubernetes' }) }),
      false,
    ],
    ['of a VM with the tag that consul-k8s uses too', instance({ tags: ['k8s', 'prod'] }), true],
    [
      'of the mesh of consul-k8s',
      instance({ meta: strings({ 'managed-by': 'consul-k8s-endpoints-controller' }) }),
      false,
    ],
    ['of nomad', instance({ meta: strings({ 'external-source': 'nomad' }) }), true],
    ['that are proxies', instance({ kind: 'connect-proxy' }), false],
    ['that are gateways', instance({ kind: 'mesh-gateway' }), false],
    ['that the filter does not select', instance({ isLeftOut: true }), false],
  ])('%s', (_, given, foreign) => {
    expect(shown([given])).toEqual(foreign ? [given.id] : []);
  });

  it.each<[string, Partial<Selection>, Partial<ServiceInstance>, boolean]>([
    ['with the required tag', { requiredTags: ['k'] }, { tags: ['a', 'k'] }, true],
    ['without it', { requiredTags: ['k'] }, { tags: ['a'] }, false],
    ['with one of two required tags', { requiredTags: ['a', 'k'] }, { tags: ['a'] }, false],
    ['with the required meta', { requiredMeta: ['env=prod'] }, { meta: strings({ env: 'prod' }) }, true],
    ['with another value', { requiredMeta: ['env=prod'] }, { meta: strings({ env: 'production' }) }, false],
    ['with a value like the pattern', { requiredMeta: ['env=prod*'] }, { meta: strings({ env: 'production' }) }, true],
    ['without the required meta', { requiredMeta: ['env=*'] }, { meta: strings({ Env: 'prod' }) }, false],
    ['with a value that has an equals sign', { requiredMeta: ['env=a=b'] }, { meta: strings({ env: 'a=b' }) }, true],
    ['with the tag and not the meta', { requiredTags: ['k'], requiredMeta: ['env=*'] }, { tags: ['k'] }, false],
  ])('%s', (_, config, given, selected) => {
    expect(shown([instance({ id: 'x', ...given })], config)).toEqual(selected ? ['x'] : []);
  });

  it.each<[string, ServiceInstance, boolean]>([
    ['those of another cluster', consular({ id: 'theirs' }, 'test'), true],
    ['not those of this cluster', consular(), false],
    ['not those of consul-k8s', instance({ meta: strings({ 'external-source': 'kubernetes' }) }), false],
    ['not proxies of another cluster', consular({ kind: 'connect-proxy' }, 'test'), false],
  ])('with otherClusters also %s', (_, given, foreign) => {
    expect(shown([given], { otherClusters: true })).toEqual(foreign ? [given.id] : []);
  });

  it('are not at an address and port that we registered, in any notation', () => {
    const pod = { address: '10.1.0.7', port: 8080 };
    const all = [
      consular(pod),
      instance({ id: 'self', ...pod }),
      instance({ id: 'mapped', ...pod, address: '::FFFF:10.1.0.7' }),
      instance({ id: 'other', ...pod, port: 81 }),
    ];
    expect(shown(all)).toEqual(['other']);
  });

  it('are what speaks UDP where TCP is ours, and the other way round', () => {
    const pod = { address: '10.1.0.7', port: 53 };
    const udp = instance({ id: 'self:udp', ...pod });
    expect(shown([consular(pod), udp])).toEqual(['self:udp']);
    expect(shown([consular({ ...pod, id: 'ours:udp' }), udp])).toEqual([]);
    expect(shown([consular({ ...pod, id: 'ours:udp' }), instance({ id: 'self', ...pod })])).toEqual(['self']);
  });

  it('have the address of their node when they have none of their own', () => {
    const own = consular({ address: '10.20.0.1', port: 8080 });
    expect(shown([own, instance({ id: 'self', address: '', nodeAddress: '10.20.0.1', port: 8080 })])).toEqual([]);
  });
});

describe('an instance that Kubernetes should not see', () => {
  const selection = { requiredTags: ['blue'], requiredMeta: ['env=prod*'], otherClusters: false };
  const good = { tags: ['blue'], meta: strings({ env: 'production' }) };
  const pod = instance({ id: 'pod', address: '10.1.0.7', meta: strings({ 'external-source': 'kubernetes' }) });

  it.each<[Parameters<typeof instance>[0], string | undefined]>([
    [good, undefined],
    [{ ...good, meta: strings({ env: 'prod', 'external-source': 'kubernetes' }) }, 'it came out of Kubernetes'],
    [
      { ...good, meta: strings({ env: 'prod', 'managed-by': 'consular', 'k8s-cluster': 'other' }) },
      'it is of the Consular of another cluster, and toKubernetes.otherClusters is false',
    ],
    [{ ...good, kind: 'connect-proxy' }, 'it is a connect-proxy'],
    [{ ...good, tags: ['green'] }, 'it lacks the tag "blue" of toKubernetes.requiredTags'],
    [{ ...good, meta: strings({ env: 'test' }) }, 'it lacks the meta "env=prod*" of toKubernetes.requiredMeta'],
    [{ ...good, meta: strings() }, 'it lacks the meta "env=prod*" of toKubernetes.requiredMeta'],
    [{ ...good, isLeftOut: true }, 'toKubernetes.filter does not select it'],
    [{ ...good, address: '10.1.0.7' }, 'it shares its address, port and protocol with one that came out of Kubernetes'],
  ])('has the one rule told that keeps it out: %j', (overrides, why) => {
    const one = instance(overrides);
    expect(whyNotMirrored(one, [pod, one], 'prod', selection)).toBe(why);
  });
});

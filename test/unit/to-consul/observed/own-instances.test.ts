import { describe, expect, it } from '@jest/globals';
import type { CheckStatus } from '../../../../src/consul/types.ts';
import { OwnInstances } from '../../../../src/to-consul/observed/own-instances.ts';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import { identityOf } from '../../../../src/to-consul/registration/registration.ts';
import { observed, registrationOf, WORKER_1 } from '../instances.ts';

function withStatus(name: string, status: CheckStatus, checkIndex = 22): OwnInstance {
  const registration = registrationOf(name);
  return observed(
    { ...registration, check: { ...registration.check, status } },
    { podKey: `shop/${name}`, checkIndex },
  );
}

function all(...instances: readonly OwnInstance[]): OwnInstances {
  const own = new OwnInstances();
  for (const instance of instances) own.put(instance);
  return own;
}

describe('our instances', () => {
  const A = withStatus('a', 'passing');
  const B = withStatus('b', 'passing');

  it('are found by pod and by node', () => {
    const own = all(A, B);
    expect([own.size, [...own.podKeys()]]).toEqual([2, ['shop/a', 'shop/b']]);
    expect([...own.ofPod('shop/a').values()]).toEqual([A]);
    expect([...own.ofNode(WORKER_1).values()]).toEqual([A, B]);
    expect([own.ofPod('shop/none').size, own.ofNode('none').size]).toEqual([0, 0]);
  });

  it('are called what their registrations say', () => {
    const own = all(A, B, withStatus('c', 'critical'));
    for (const podKey of own.podKeys()) {
      const names = own.namesOfPod(podKey).map(({ id, service, podUid }) => ({ id, service, podUid }));
      const whole = [...own.ofPod(podKey).values()];
      expect(names).toEqual(whole.map(({ registration: { id, service }, podUid }) => ({ id, service, podUid })));
    }
    expect(own.namesOfPod('shop/none')).toEqual([]);
  });

  it('are gone when they were removed, and their pod with the last', () => {
    const own = all(A, B);
    own.remove(A);
    own.remove(A);
    expect([own.size, [...own.podKeys()], [...own.ofNode(WORKER_1).values()]]).toEqual([1, ['shop/b'], [B]]);
  });

  it('take the place of what was known of them', () => {
    const own = all(A);
    const later = { ...A, serviceIndex: 30 };
    own.put(later);
    expect([own.size, [...own.ofPod('shop/a').values()]]).toEqual([1, [later]]);
  });
});

describe('the instances of a Consul service', () => {
  const named = (name: string, service: string) => observed({ ...registrationOf(name), service }, { podKey: name });
  const A = named('a', 'orders');
  const B = named('b', 'Orders');
  const of = (own: OwnInstances, service: string) => [...own.ofService(service)];

  it('are found in any case of its name', () => {
    const own = all(A, B, named('c', 'billing'));
    expect([of(own, 'orders'), of(own, 'ORDERS'), of(own, 'other')]).toEqual([[A, B], [A, B], []]);
  });

  it('leave it when they are removed, and when they get another', () => {
    const own = all(A, B);
    own.remove(B);
    const moved = named('a', 'billing');
    own.put(moved);
    expect([of(own, 'orders'), of(own, 'billing')]).toEqual([[], [moved]]);
  });

  it('that are removed as they were before leave it as they are', () => {
    const own = all(A);
    own.put({ ...A, serviceIndex: 30 });
    own.remove(A);
    expect(of(own, 'orders')).toEqual([]);
  });
});

describe('given all checks in a state, a node is looked at', () => {
  const critical = withStatus('a', 'critical');
  const passing = withStatus('a', 'passing');
  const unchecked = withStatus('a', 'critical', 0);

  it.each<[string, OwnInstance, 'critical' | 'warning', boolean, boolean]>([
    ['when a check is critical that we wrote as passing', passing, 'critical', true, true],
    ['when a check is warning that we wrote as passing', passing, 'warning', true, true],
    ['when a check is not critical that we wrote as critical', critical, 'critical', false, true],
    ['not when a check is critical as we wrote it', critical, 'critical', true, false],
    ['not when a check is passing as we wrote it', passing, 'critical', false, false],
    ['not for the list of warnings when a check is critical', critical, 'warning', false, false],
    ['not for an instance that has no check', unchecked, 'critical', false, false],
    ['not for a check of an instance that has none of ours', unchecked, 'critical', true, false],
  ])('%s', (_, instance, status, isListed, expected) => {
    const listed = new Set(isListed ? [identityOf(instance.registration), 'vm-1/of-somebody'] : ['vm-1/of-somebody']);
    expect([...all(instance).nodesWithOtherChecks(status, listed)]).toEqual(expected ? [WORKER_1] : []);
  });

  it('not for a critical one that is passing since, or gone', () => {
    const own = all(critical);
    own.put(passing);
    expect(own.nodesWithOtherChecks('critical', new Set()).size).toBe(0);
    own.put(critical);
    own.remove(critical);
    expect(own.nodesWithOtherChecks('critical', new Set()).size).toBe(0);
  });
});

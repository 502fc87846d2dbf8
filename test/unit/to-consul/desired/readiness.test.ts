import { describe, expect, it } from '@jest/globals';
import type { Service } from '../../../../src/kubernetes/objects.ts';
import { gateOf, readinessOf, selectsPod } from '../../../../src/to-consul/desired/readiness.ts';
import { GATE, condition, pod, service, strings } from '../../builders.ts';

const NOT_READY = condition({ status: 'False', reason: 'ReadinessGatesNotReady' });
const gated = (conditions: Readonly<Record<string, string>>, gates = [GATE]) =>
  pod({ readinessGates: gates, conditions: strings(conditions), ready: NOT_READY });

describe('a pod with the readiness gate', () => {
  it.each([
    ['containers and nothing else to wait for', { ContainersReady: 'True' }, [GATE], true],
    ['containers that are not ready', { ContainersReady: 'False' }, [GATE], false],
    ['no conditions yet', {}, [GATE], false],
    ['another gate that is open', { ContainersReady: 'True', 'lb/ready': 'True' }, ['lb/ready', GATE], true],
    ['another gate that is closed', { ContainersReady: 'True' }, ['lb/ready', GATE], false],
  ])('and %s', (_, conditions, gates, isReady) => {
    expect(readinessOf(gated(conditions, gates), GATE).isReady).toBe(isReady);
  });

  it('is what Kubernetes says while Consular does not serve the gate', () => {
    expect(readinessOf(gated({ ContainersReady: 'True' }), undefined).isReady).toBe(false);
  });

  it('has the prefix of the settings: the one of another Consular is what Kubernetes says', () => {
    const gate = gateOf('consular.example.com');
    const conditions = { ContainersReady: 'True' };
    expect(gate).toBe('consular.example.com/registered');
    expect(readinessOf(gated(conditions, [gate]), gate).isReady).toBe(true);
    expect(readinessOf(gated(conditions, [GATE]), gate).isReady).toBe(false);
  });

  it('of somebody else is what Kubernetes says', () => {
    expect(readinessOf(gated({ ContainersReady: 'True', 'lb/ready': 'True' }, ['lb/ready']), GATE).isReady).toBe(false);
  });
});

it('a pod that is not Ready says why in one line, and nothing that a terminal obeys', () => {
  const ready = condition({ status: 'False', reason: 'Failed', message: 'a\n\tb\u001b[2Jc\u202e' });
  expect(readinessOf(pod({ ready }), undefined).output).toMatch(/: Failed: a b\\u001b\[2Jc\\u202e$/);
});

describe('a Service', () => {
  const labels = strings({ app: 'orders', tier: 'web' });

  it.each<[string, Partial<Service>, boolean]>([
    ['with one of its labels', { selector: strings({ app: 'orders' }) }, true],
    ['with all of its labels', { selector: labels }, true],
    ['with another value', { selector: strings({ app: 'orders', tier: 'batch' }) }, false],
    ['with a label that it does not have', { selector: strings({ zone: 'a' }) }, false],
    ['without a selector', { selector: strings() }, false],
    ['of another namespace', { namespace: 'billing' }, false],
    ['that is a name for something else', { type: 'ExternalName' }, false],
  ])('%s: does it select the pod?', (_, overrides, expected) => {
    expect(selectsPod(service(overrides), pod({ labels }))).toBe(expected);
  });
});

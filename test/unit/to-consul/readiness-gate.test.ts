import { describe, expect, it } from '@jest/globals';
import { GATE, gateCondition, readinessOf } from '../../../src/to-consul/readiness-gate.ts';
import { condition, pod, strings } from '../builders.ts';

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
    expect(readinessOf(gated(conditions, gates), true).isReady).toBe(isReady);
  });

  it('is what Kubernetes says while Consular does not serve the gate', () => {
    expect(readinessOf(gated({ ContainersReady: 'True' }), false).isReady).toBe(false);
  });

  it('of somebody else is what Kubernetes says', () => {
    expect(readinessOf(gated({ ContainersReady: 'True', 'lb/ready': 'True' }, ['lb/ready']), true).isReady).toBe(false);
  });
});

describe("the gate's condition", () => {
  const NO_CHANGES = { create: [], update: [], remove: [] };
  const done = { changes: NO_CHANGES, rejections: [], unread: [], isAsked: true };
  const ready = gated({ ContainersReady: 'True' });
  const rejection = { reason: 'InvalidPort', message: 'no such port' } as const;

  it.each([
    ['opens when all is in Consul', ready, done, 'True Registered'],
    ['opens when there is nothing to do', ready, { ...done, isAsked: false }, 'True NothingToDo'],
    ['says nothing of a new pod, which has no plan yet', gated({}), { ...done, isAsked: false }, undefined],
    [
      'opens beside a duplicate',
      ready,
      { ...done, rejections: [{ ...rejection, reason: 'Duplicate' as const }] },
      'True Registered',
    ],
    ['says what is rejected', ready, { ...done, rejections: [rejection] }, 'False InvalidPort'],
    ['says what is rejected early', gated({}), { ...done, rejections: [rejection] }, 'False InvalidPort'],
    ['waits for the containers', gated({ ContainersReady: 'False' }), done, undefined],
    ['waits for names that are not read', ready, { ...done, unread: ['orders'] }, undefined],
    ['waits for Consul', ready, { ...done, changes: { ...NO_CHANGES, remove: [{} as never] } }, undefined],
    [
      'is never written again once it is open',
      gated({ ContainersReady: 'True', [GATE]: 'True' }),
      { ...done, rejections: [rejection] },
      undefined,
    ],
    ['is not for pods without it', pod(), done, undefined],
  ])('%s', (_, pod, plan, expected) => {
    const condition = gateCondition(pod, plan);
    expect(condition && `${condition.status} ${condition.reason}`).toBe(expected);
  });
});

import { describe, expect, it } from '@jest/globals';
import { gateCondition } from '../../../../src/to-consul/report/readiness-gate.ts';
import { GATE, condition, pod, service, strings } from '../../builders.ts';

const NOT_READY = condition({ status: 'False', reason: 'ReadinessGatesNotReady' });
const gated = (conditions: Readonly<Record<string, string>>) =>
  pod({ readinessGates: [GATE], conditions: strings(conditions), ready: NOT_READY });

describe("the gate's condition", () => {
  const NO_CHANGES = { create: [], update: [], remove: [] };
  const done = { changes: NO_CHANGES, rejections: [], ofServices: [], unread: [], awaited: [], isAsked: true };
  const ready = gated({ ContainersReady: 'True' });
  const rejection = { reason: 'InvalidPort', message: 'no such port' } as const;

  it.each([
    ['opens when all is in Consul', ready, done, 'True Registered'],
    ['opens when there is nothing to do', ready, { ...done, isAsked: false }, 'True NothingToDo'],
    ['says nothing before anybody knows who will ask', gated({}), { ...done, isAsked: false }, undefined],
    [
      'is not for a pod that goes',
      { ...ready, deletionTimestamp: '2026-10-20T10:00:00Z' },
      { ...done, isAsked: false },
      undefined,
    ],
    [
      'opens beside a duplicate',
      ready,
      { ...done, rejections: [{ ...rejection, reason: 'Duplicate' as const }] },
      'True Registered',
    ],
    ['says what is rejected', ready, { ...done, rejections: [rejection] }, 'False InvalidPort'],
    [
      'says what is wrong with a Service over the pod',
      ready,
      { ...done, ofServices: [{ service: 'shop/orders', about: 'port', kind: 'wrong' as const, rejection }] },
      'False InvalidPort',
    ],
    [
      'opens where only another Service wins',
      ready,
      { ...done, ofServices: [{ service: 'shop/orders', about: 'tags', kind: 'overruled' as const, rejection }] },
      'True Registered',
    ],
    ['says what is rejected early', gated({}), { ...done, rejections: [rejection] }, 'False InvalidPort'],
    ['waits for the containers', gated({ ContainersReady: 'False' }), done, undefined],
    ['waits for names that are not read', ready, { ...done, unread: ['orders'] }, undefined],
    [
      'waits for the slices of a Service that asks, though there is nothing to do yet',
      ready,
      { ...done, isAsked: false, awaited: [service()] },
      'False NoEndpointSlice',
    ],
    [
      'waits for the slices of another Service',
      ready,
      { ...done, awaited: [service({ name: 'other' })] },
      'False NoEndpointSlice',
    ],
    ['waits for Consul', ready, { ...done, changes: { ...NO_CHANGES, remove: [{} as never] } }, undefined],
    [
      'is never written again once it is open',
      gated({ ContainersReady: 'True', [GATE]: 'True' }),
      { ...done, rejections: [rejection] },
      undefined,
    ],
    ['is not for pods without it', pod(), done, undefined],
  ])('%s', (_, pod, plan, expected) => {
    const condition = gateCondition(pod, plan, GATE);
    expect(condition && `${condition.status} ${condition.reason}`).toBe(expected);
  });
});

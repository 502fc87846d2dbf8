import { beforeEach, describe, expect, it } from '@jest/globals';
import type { PodCondition } from '../../../../src/kubernetes/object-api.ts';
import { createResources } from '../../../../src/kubernetes/resources.ts';
import type { Rejection } from '../../../../src/to-consul/registration/rejection.ts';
import { Gatekeeper } from '../../../../src/to-consul/report/readiness-gate.ts';
import { GATE, strings } from '../../builders.ts';
import { viewOf } from '../../to-kubernetes/views.ts';
import { planning, podNamed } from '../planning.ts';

const NOW = new Date('2026-10-20T10:00:00.123Z');
const POD = podNamed('a', { readinessGates: [GATE], conditions: strings({ ContainersReady: 'True' }) });
const DONE = { ...planning().planner.plan('shop/none'), isAsked: true };
const WAITING = (message: string) => {
  const rejection: Rejection = { reason: 'InvalidPort', message };
  return { ...DONE, rejections: [rejection] };
};

let pods: ReturnType<typeof viewOf<typeof POD>>;
let written: PodCondition[];
let failure: Error | undefined;
let gatekeeper: Gatekeeper;

beforeEach(() => {
  pods = viewOf(POD);
  written = [];
  failure = undefined;
  gatekeeper = new Gatekeeper({
    gate: GATE,
    views: { pods },
    api: {
      setCondition: (_resource, _pod, condition) => {
        written.push(condition);
        return failure ? Promise.reject(failure) : Promise.resolve();
      },
    },
    resources: createResources({ annotation: () => true }),
    now: () => NOW,
  });
});

describe("the condition of a pod's gate", () => {
  it('is written with the time of its transition, to the second', async () => {
    await gatekeeper.settle('shop/a', DONE);
    expect(written).toEqual([
      {
        type: GATE,
        status: 'True',
        reason: 'Registered',
        message: 'Registered in Consul',
        lastTransitionTime: '2026-10-20T10:00:00Z',
      },
    ]);
  });

  it('is not written for a pod that is gone, or has nothing new to be told', async () => {
    await gatekeeper.settle('shop/gone', DONE);
    await gatekeeper.settle('shop/a', { ...DONE, unread: ['orders'] });
    expect(written).toEqual([]);
  });

  it('is written once as long as it says the same, and anew when it says something else', async () => {
    await gatekeeper.settle('shop/a', WAITING('no port'));
    await gatekeeper.settle('shop/a', WAITING('no port'));
    pods.put({ ...POD, conditions: strings({ ContainersReady: 'True', [GATE]: 'False' }), resourceVersion: '101' });
    await gatekeeper.settle('shop/a', WAITING('no such port'));
    expect(written.map(({ message, lastTransitionTime }) => [message, lastTransitionTime])).toEqual([
      ['no port', '2026-10-20T10:00:00Z'],
      // Still False: not a transition.
      ['no such port', undefined],
    ]);
  });

  it('is written again when it could not be written', async () => {
    failure = new Error('conflict');
    await expect(gatekeeper.settle('shop/a', WAITING('no port'))).rejects.toThrow('conflict');
    failure = undefined;
    await gatekeeper.settle('shop/a', WAITING('no port'));
    expect(written.length).toBe(2);
  });

  it('is written again once it was True: somebody must have shut it', async () => {
    await gatekeeper.settle('shop/a', DONE);
    await gatekeeper.settle('shop/a', DONE);
    expect(written.length).toBe(2);
  });

  it('is forgotten with its pod', async () => {
    await gatekeeper.settle('shop/a', WAITING('no port'));
    gatekeeper.forget('uid-of-a');
    await gatekeeper.settle('shop/a', WAITING('no port'));
    expect(written.length).toBe(2);
  });
});

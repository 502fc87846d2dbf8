import { beforeEach, describe, expect, it } from '@jest/globals';
import type { PodCondition } from '../../../../src/kubernetes/object-api.ts';
import { createDeniedAccess } from '../../../../src/kubernetes/denied-access.ts';
import { KubernetesError } from '../../../../src/kubernetes/errors.ts';
import { createResources } from '../../../../src/kubernetes/resources.ts';
import type { Rejection } from '../../../../src/to-consul/registration/rejection.ts';
import { Gatekeeper } from '../../../../src/to-consul/report/readiness-gate.ts';
import { TestClock } from '../../clock.ts';
import { TestLog } from '../../log.ts';
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
let clock: TestClock;
let mayOpen: boolean;
let looked: string[];
let log: TestLog;

beforeEach(() => {
  pods = viewOf(POD);
  written = [];
  failure = undefined;
  clock = new TestClock();
  mayOpen = false;
  looked = [];
  log = new TestLog();
  const may = () => Promise.resolve(mayOpen);
  const denied = createDeniedAccess({ may, clock, signal: new AbortController().signal });
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
    denied,
    onRights: (keys) => void looked.push(...keys),
    log,
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

describe('a gate that there is no right to open', () => {
  const NO_RIGHT = new KubernetesError(
    { verb: 'patch', kind: 'Pod status', object: 'shop/a' },
    403,
    'Forbidden',
    'pods "a" is forbidden: User "u" cannot patch resource "pods/status" in API group "" in the namespace "shop"',
  );
  const WHY = `readiness gate ${GATE} cannot be opened: there is no right to patch pods/status in namespace shop: apply deploy/kubernetes/readiness-gate`;

  it('is a rejection of its pod that names the manifest, told in the log once, and is not tried again at once', async () => {
    failure = NO_RIGHT;
    await gatekeeper.settle('shop/a', DONE);
    expect(looked).toEqual(['shop/a']);
    expect(gatekeeper.withRefusal('shop/a', DONE).rejections).toEqual([{ reason: 'GateRefused', message: WHY }]);
    await gatekeeper.settle('shop/a', gatekeeper.withRefusal('shop/a', DONE));
    await gatekeeper.settle('shop/a', gatekeeper.withRefusal('shop/a', DONE));
    expect(written).toHaveLength(1);
    expect(log.of('warn')).toEqual(['readiness gates cannot be opened']);
  });

  it('is opened when an access review says that the right is there', async () => {
    failure = NO_RIGHT;
    await gatekeeper.settle('shop/a', DONE);
    await gatekeeper.settle('shop/a', DONE);
    await clock.advance(1000);
    mayOpen = true;
    failure = undefined;
    looked = [];
    await clock.advance(5000);
    expect(looked).toEqual(['shop/a']);
    expect(gatekeeper.withRefusal('shop/a', DONE).rejections).toEqual([]);
    await gatekeeper.settle('shop/a', DONE);
    expect(written.map(({ status }) => status)).toEqual(['True', 'True']);
  });

  it('costs a pod nothing whose gate is open, or that is in a namespace where the right is there', async () => {
    failure = NO_RIGHT;
    await gatekeeper.settle('shop/a', DONE);
    pods.put(podNamed('open', { readinessGates: [GATE], conditions: strings({ [GATE]: 'True' }) }));
    expect(gatekeeper.withRefusal('shop/open', DONE).rejections).toEqual([]);
    expect(gatekeeper.withRefusal('web/a', DONE).rejections).toEqual([]);
  });
});

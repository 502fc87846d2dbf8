import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { EndpointSlice, Pod, Service } from '../../../src/kubernetes/objects.ts';
import { isEmpty } from '../../../src/reconcile/changes.ts';
import { annotations, instance, policy, service, slice } from '../builders.ts';
import { settled } from '../clock.ts';
import { loopStage } from './loop-stage.ts';
import { podNamed } from './planning.ts';

/**
 * The model: pods, a Service and its slices come, change and go, seen or unseen; others come and go; somebody else removes or
 * spoils what is in Consul; Consul refuses a transaction. What must hold after any history: the loop comes to rest, a further
 * look changes nothing, and Consul has what a fresh plan wants, within the limits of the policy.
 */
type Step =
  | { readonly pod: string; readonly asks: string; readonly ip: number; readonly isReady: boolean }
  | { readonly gone: string; readonly isSeen: boolean }
  | { readonly service: 'asks' | 'is silent' | 'is gone' }
  | { readonly targets: readonly string[] }
  | { readonly others: readonly number[] }
  | { readonly refuses: number }
  | 'turn';

const NAMES = ['a', 'b', 'c', 'd'];
const name = fc.constantFrom(...NAMES);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      pod: name,
      asks: fc.constantFrom('', 'orders', 'orders', 'admin', 'admin', '1 wrong name'),
      ip: fc.integer({ min: 1, max: 4 }),
      isReady: fc.constantFrom(true, true, true, false),
    }),
  },
  { weight: 2, arbitrary: fc.record({ gone: name, isSeen: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ service: fc.constantFrom('asks', 'is silent', 'is gone') }) },
  { weight: 2, arbitrary: fc.record({ targets: fc.subarray(NAMES) }) },
  { weight: 2, arbitrary: fc.record({ others: fc.subarray([1, 2, 3, 4], { maxLength: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ refuses: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 4, arbitrary: fc.constant('turn' as const) },
);

const MOST_INSTANCES = 2;

class Model {
  #version = 1000;
  /** Others that have a service `orders` or `admin` at the addresses of pods, and whether the loop has read that. */
  #others: readonly number[] = [];
  #isRead = true;
  readonly stage = loopStage({
    nodes: [],
    config: { policy: policy({ maxInstances: MOST_INSTANCES }) },
    others: {
      of: (service) =>
        this.#isRead ? this.#others.map((ip) => instance({ service, address: addressOf(ip) })) : undefined,
    },
  });

  constructor() {
    this.stage.others.onEnsure = () => (this.#isRead = true);
  }

  async take(step: Step): Promise<void> {
    const { views, refusals } = this.stage;
    if (step === 'turn') return settled();
    if ('pod' in step) views.pods.put(this.#pod(step));
    if ('gone' in step) this.#remove(step.gone, step.isSeen);
    if ('service' in step) this.#setService(step.service);
    if ('targets' in step) views.endpointSlices.put(this.#slice(step.targets));
    if ('others' in step) this.#setOthers(step.others);
    if ('refuses' in step)
      for (let i = 0; i < step.refuses; i++) refusals.push(new Error('Consul does not feel like it'));
  }

  /** The pods for which a plan that remembers nothing of the history wants something else than Consul has. */
  unsettled(): string[] {
    // A plan that waits for room asks again when there is room, not when somebody else changes something.
    this.#isRead = true;
    const { freshPlanner } = this.stage;
    const planner = freshPlanner();
    return [...planner.keys()].filter((key) => {
      const { changes, unproven } = planner.plan(key);
      return !isEmpty(changes) || unproven.length > 0;
    });
  }

  #pod({ pod, asks, ip, isReady }: Extract<Step, { pod: string }>): Pod {
    const status = isReady ? 'True' : 'False';
    return podNamed(pod, {
      podIPs: [addressOf(ip)],
      resourceVersion: String(++this.#version),
      annotations: annotations(asks === '' ? {} : { 'service-name': asks }),
      ready: { status, reason: '', message: '', lastTransitionTime: '' },
    });
  }

  #remove(pod: string, isSeen: boolean): void {
    const { pods } = this.stage.views;
    const observed = pods.get(`shop/${pod}`);
    if (observed && isSeen) pods.delete({ ...observed, resourceVersion: String(++this.#version) });
    else
      pods.replace(
        new Map([...pods.values()].filter((other) => other !== observed).map((it) => [`shop/${it.name}`, it])),
      );
  }

  #setService(state: 'asks' | 'is silent' | 'is gone'): void {
    const { services } = this.stage.views;
    const text = state === 'asks' ? { 'service-sync': 'true' } : {};
    const changed: Service = service({ annotations: annotations(text), resourceVersion: String(++this.#version) });
    if (state === 'is gone') services.delete({ ...changed, uid: services.get('shop/orders')?.uid ?? changed.uid });
    else services.put({ ...changed, uid: `uid-${this.#version}` });
  }

  #slice(pods: readonly string[]): EndpointSlice {
    const endpoints = pods.flatMap((pod) =>
      slice().endpoints.map((endpoint) => ({ ...endpoint, target: { kind: 'Pod', namespace: 'shop', name: pod } })),
    );
    return slice({ endpoints, resourceVersion: String(++this.#version) });
  }

  /** As ForeignInstances does it: whoever waits for a name is told when it changed. */
  #setOthers(ips: readonly number[]): void {
    this.#others = ips;
    this.#isRead = false;
    for (const service of ['orders', 'admin']) this.stage.others.changed(service);
  }
}

const addressOf = (ip: number) => `10.1.0.${ip}`;

it('the loop comes to rest after any history, and Consul has what a fresh plan wants', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
      const model = new Model();
      for (const step of steps) await model.take(step);
      await model.stage.untilIdle();
      const { submissions } = model.stage;
      for (let turn = 0; turn < 10; turn++) await settled();
      expect(model.stage.submissions).toBe(submissions);
      expect(model.unsettled()).toEqual([]);
      const { shown } = model.stage.consul;
      expect(shown.length).toBeLessThanOrEqual(MOST_INSTANCES);
      model.stage.loop.start();
      await model.stage.untilIdle();
      expect(model.stage.consul.shown).toEqual(shown);
      await model.stage.loop.drain(0);
    }),
    { numRuns: 40 },
  );
}, 30_000);

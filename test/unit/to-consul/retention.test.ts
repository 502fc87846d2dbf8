import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import type { Pod } from '../../../src/kubernetes/objects.ts';
import { WINDOW_MS } from '../../../src/guard/breaker.ts';
import { annotations, condition, endpoint, instance, node, policy, service, slice } from '../builders.ts';
import { settled } from '../clock.ts';
import { loopStage } from './loop-stage.ts';
import { podNamed, registered, type PlanningGiven } from './planning.ts';

const NOT_READY = condition({ status: 'False', reason: 'ContainersNotReady', message: 'no [app]' });
let version = 1000;

/** So many Ready pods of a Consul service, with their own addresses. */
function podsOf(service: string, count: number, overrides: Partial<Pod> = {}): Pod[] {
  const block = [...service].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 200;
  return Array.from({ length: count }, (_, i) =>
    podNamed(
      `${service}-${i}`,
      { podIPs: [`10.${block}.${i >> 8}.${i & 255}`], ...overrides },
      { 'service-name': service },
    ),
  );
}

const changed = (pod: Pod, overrides: Partial<Pod>): Pod => ({ ...pod, ...overrides, resourceVersion: `${++version}` });

type Stage = ReturnType<typeof loopStage>;

/** The loop at rest, with these pods in Consul. */
async function stageWith(pods: readonly Pod[], given: PlanningGiven = {}): Promise<Stage> {
  const stage = loopStage({ pods, observed: registered({ pods, ...given }), ...given });
  stage.loop.start();
  await stage.untilIdle();
  return stage;
}

const put = (stage: Stage, pods: readonly Pod[], overrides: Partial<Pod>) => {
  for (const pod of pods) stage.views.pods.put(changed(stage.views.pods.get(`shop/${pod.name}`) ?? pod, overrides));
};
const notReady = (stage: Stage, pods: readonly Pod[]) => put(stage, pods, { ready: NOT_READY });
const ready = (stage: Stage, pods: readonly Pod[]) => put(stage, pods, { ready: condition() });
const remove = (stage: Stage, pods: readonly Pod[]) => {
  for (const pod of pods) stage.views.pods.delete(changed(pod, {}));
};

/** How many instances of each service there are, by status: `orders passing 3`. */
function counts({ consul }: Stage): string[] {
  const sums = new Map<string, number>();
  for (const line of consul.shown) {
    const [, service, , status] = line.split(' ');
    sums.set(`${service} ${status}`, (sums.get(`${service} ${status}`) ?? 0) + 1);
  }
  return [...sums].map(([what, count]) => `${what} ${count}`).sort();
}

const OTHERS = podsOf('web', 100);
const ORDERS = podsOf('orders', 60);

describe('when pods turn NotReady in masses', () => {
  it('a service that would be empty keeps its instances, critical, and has them passing again', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
    expect(stage.loop.status).toMatchObject({ retained: 60, held: 0, instances: 160 });
    const [observed] = [...stage.consul.ofPod('shop/orders-0').values()];
    expect(observed?.registration.check.output).toBe(
      'Pod is not Ready since 2026-10-20T10:00:00Z: ContainersNotReady: no [app]; retained by Consular: ' +
        'its pod is not Ready, much was lost at once, and orders would be empty',
    );
    ready(stage, ORDERS);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders passing 60', 'web passing 100']);
    expect(stage.loop.status.retained).toBe(0);
  });

  it('those that went before it was known are registered again', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    for (const pod of ORDERS.slice(0, 40)) {
      notReady(stage, [pod]);
      await stage.untilIdle();
    }
    expect(counts(stage)).toEqual(['orders passing 20', 'web passing 100']);
    for (const pod of ORDERS.slice(40)) notReady(stage, [pod]);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
  });

  it('nothing is written of instances whose node is Unknown, in whichever order that is seen', async () => {
    for (const isNodeFirst of [true, false]) {
      const stage = await stageWith([...ORDERS, ...OTHERS]);
      const { shown } = stage.consul;
      const outputs = () =>
        [...stage.consul.ofService('orders')].map(({ registration }) => registration.check.output).sort();
      const before = outputs();
      const unknown = () => stage.views.nodes.put({ ...node({ ready: 'Unknown' }), resourceVersion: '11' });
      if (isNodeFirst) unknown();
      notReady(stage, ORDERS);
      if (!isNodeFirst) unknown();
      await stage.untilIdle();
      expect(stage.consul.shown).toEqual(shown);
      expect(outputs()).toEqual(before);
      expect(stage.loop.retaining().instances).toHaveLength(60);
      expect(stage.loop.retaining().instances[0]?.why).toBe(
        'node worker-1 of its pod is Unknown: much was lost at once, and orders would be empty',
      );
      stage.views.nodes.put({ ...node({ ready: 'False' }), resourceVersion: '12' });
      await stage.untilIdle();
      expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
    }
  });

  it('they go at once while a pod of the service is Ready, and come again when that goes too', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    notReady(stage, ORDERS.slice(1));
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders passing 1', 'web passing 100']);
    notReady(stage, ORDERS.slice(0, 1));
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
  });

  it('they go when a pod of the service has been Ready for 30 s, and not for one that is Ready for a moment', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    for (let flash = 0; flash < 3; flash++) {
      ready(stage, ORDERS.slice(7, 8));
      await stage.untilIdle();
      expect(counts(stage)).toEqual(['orders critical 59', 'orders passing 1', 'web passing 100']);
      await stage.clock.advance(29_000);
      notReady(stage, ORDERS.slice(7, 8));
      await stage.untilIdle();
      expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
    }
    ready(stage, ORDERS.slice(7, 8));
    await stage.clock.advance(29_000);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 59', 'orders passing 1', 'web passing 100']);
    await stage.clock.advance(1000);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders passing 1', 'web passing 100']);
  });

  it('half of everything that is there again takes nothing from services that are still lost', async () => {
    const singles = Array.from({ length: 100 }, (_, i) =>
      podNamed(`one-${i}`, { podIPs: [`10.250.0.${i}`] }, { 'service-name': `one-${i}` }),
    );
    const stage = await stageWith(singles);
    notReady(stage, singles);
    await stage.untilIdle();
    expect(counts(stage).filter((line) => line.includes('critical'))).toHaveLength(100);
    ready(stage, singles.slice(0, 60));
    await stage.clock.advance(60_000);
    await stage.untilIdle();
    const all = counts(stage);
    expect(all.filter((line) => line.includes('critical'))).toHaveLength(40);
    expect(all).toHaveLength(100);
  });

  it('pods that are Ready are registered although the namespace is full of those that are not', async () => {
    const config = { policy: policy({ maxInstances: 60 }) };
    const stage = await stageWith(ORDERS, { config });
    notReady(stage, ORDERS);
    await stage.untilIdle();
    for (const pod of podsOf('orders', 68).slice(60)) stage.views.pods.put(pod);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'orders passing 8']);
  });

  it.each<readonly [what: string, lost: number, of: number]>([
    ['20 pods are few', 20, 20],
    ['half of them is not most', 30, 60],
  ])('and %s, they go at once', async (_, lost, of) => {
    const pods = podsOf('orders', of);
    const stage = await stageWith([...pods, ...OTHERS]);
    notReady(stage, pods.slice(0, lost));
    await stage.untilIdle();
    expect(counts(stage)).toEqual([...(of === lost ? [] : [`orders passing ${of - lost}`]), 'web passing 100']);
  });

  it('and slowly, one after the other, they go at once', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    for (const pod of ORDERS) {
      notReady(stage, [pod]);
      await stage.clock.advance(WINDOW_MS / 20);
      await stage.untilIdle();
    }
    expect(counts(stage)).toEqual(['web passing 100']);
  });

  it('small services are kept where most of everything is lost', async () => {
    const services = ['a', 'b', 'c', 'd', 'e', 'f'].flatMap((name) => podsOf(name, 5));
    const stage = await stageWith(services);
    notReady(stage, services.slice(0, 20));
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['e passing 5', 'f passing 5']);
    notReady(stage, services.slice(20, 21));
    await stage.untilIdle();
    const kept = ['a', 'b', 'c', 'd'].map((name) => `${name} critical 5`);
    expect(counts(stage)).toEqual([...kept, 'e passing 4', 'f passing 5']);
  });

  it('pods that were never Ready are not registered', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    const never = podsOf('orders', 62, { ready: NOT_READY }).slice(60);
    for (const pod of never) stage.views.pods.put(pod);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
  });

  it('what the policy refuses to register again is not said to be retained', async () => {
    const config = { policy: policy({ maxInstances: 130 }) };
    const pods = [...ORDERS, ...OTHERS.slice(0, 70)];
    const stage = await stageWith(pods, { config });
    notReady(stage, ORDERS.slice(1));
    await stage.untilIdle();
    for (const pod of podsOf('late', 59)) stage.views.pods.put(pod);
    await stage.untilIdle();
    notReady(stage, ORDERS.slice(0, 1));
    await stage.untilIdle();
    const inConsul = counts(stage).find((line) => line.startsWith('orders critical')) ?? 'orders critical 0';
    expect(inConsul).toBe(`orders critical ${stage.loop.status.retained}`);
  });

  it('a service that a Kubernetes Service asks for is kept too', async () => {
    const pods = podsOf('orders', 30, { annotations: new Map() });
    const asking = service({ annotations: annotations({ 'service-sync': 'true' }) });
    const endpoints = pods.map(({ name, podIPs }) =>
      endpoint(podIPs[0] ?? '', { target: { kind: 'Pod', namespace: 'shop', name } }),
    );
    const stage = await stageWith(
      pods.map((pod) => ({ ...pod, annotations: new Map() })),
      { services: [asking], slices: [slice({ endpoints })] },
    );
    expect(counts(stage)).toEqual(['orders passing 30']);
    notReady(stage, pods);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 30']);
    stage.views.services.delete({ ...asking, resourceVersion: '200' });
    stage.existing.clear();
    await stage.untilIdle();
    expect(counts(stage)).toEqual([]);
  });

  it('pods that ask to stay critical are no members, and those of another service of a pod are', async () => {
    const both = podsOf('orders', 30).map((pod) => ({
      ...pod,
      annotations: annotations({
        'service-name': 'orders',
        'service-name.8080': 'orders',
        'service-name.9000': 'admin',
      }),
      containers: pod.containers.map((one) => ({
        ...one,
        ports: [8080, 9000].map((port) => ({ name: `p${port}`, port, protocol: 'TCP' as const })),
      })),
    }));
    const patient = podsOf('cache', 30).map((pod) => ({
      ...pod,
      annotations: annotations({ 'service-name': 'cache', 'not-ready': 'critical' }),
    }));
    const stage = await stageWith([...both, ...patient, ...OTHERS]);
    notReady(stage, [...both, ...patient]);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['admin critical 30', 'cache critical 30', 'orders critical 30', 'web passing 100']);
    expect(stage.loop.status.retained).toBe(60);
  });
});

describe('an instance is not retained any more', () => {
  async function lost(given: PlanningGiven = {}): Promise<Stage> {
    const stage = await stageWith([...ORDERS, ...OTHERS], given);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    return stage;
  }

  const [FIRST] = ORDERS as [Pod];

  it.each<readonly [what: string, change: (stage: Stage) => void]>([
    ['the pod is deleted', (stage) => remove(stage, [FIRST])],
    ['the pod is being deleted', (stage) => put(stage, [FIRST], { deletionTimestamp: '2026-10-20T10:00:00Z' })],
    ['the pod has ended', (stage) => put(stage, [FIRST], { phase: 'Failed' })],
    ['the pod has no annotation any more', (stage) => put(stage, [FIRST], { annotations: new Map() })],
    ['the pod is another of the same name', (stage) => put(stage, [FIRST], { uid: 'another', podIPs: ['10.9.9.9'] })],
    [
      'its address is that of another pod',
      (stage) => stage.views.pods.put(podNamed('thief', { podIPs: FIRST.podIPs, annotations: new Map() })),
    ],
  ])('when %s', async (_, change) => {
    const stage = await lost();
    change(stage);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 59', 'web passing 100']);
    expect(stage.consul.ofPod(`shop/${FIRST.name}`).size).toBe(0);
    expect(stage.loop.status.retained).toBe(59);
  });

  it('not by an old pod with its address that is not Ready; but as soon as that is Ready', async () => {
    const stage = await lost();
    const old = podNamed('old', {
      ...{ podIPs: FIRST.podIPs, annotations: new Map(), ready: NOT_READY, startTime: '2026-10-19T00:00:00Z' },
    });
    stage.views.pods.put(changed(old, {}));
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
    stage.views.pods.put(changed(old, { ready: condition() }));
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 59', 'web passing 100']);
  });

  it('by itself: that others were deleted says nothing of it', async () => {
    const stage = await lost();
    remove(stage, ORDERS.slice(0, 40));
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 20', 'web passing 100']);
    remove(stage, ORDERS.slice(40));
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['web passing 100']);
  });

  it('when somebody else has a passing instance of the service, for as long as that is there', async () => {
    let foreign = [instance({ service: 'orders', status: 'critical' })];
    const stage = await lost({ others: { of: (service) => (service === 'orders' ? foreign : []) } });
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
    foreign = [instance({ service: 'orders', status: 'passing' })];
    stage.others.changed('orders');
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['web passing 100']);
    foreign = [];
    stage.others.changed('orders');
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
  });

  it('before it is known what others have, it is neither deregistered nor made critical', async () => {
    let isRead = true;
    const given: PlanningGiven = { others: { of: () => (isRead ? [] : undefined) } };
    const stage = await stageWith([...ORDERS, ...OTHERS], given);
    isRead = false;
    stage.others.failure = new Error('no leader');
    notReady(stage, ORDERS);
    for (let turn = 0; turn < 10; turn++) await settled();
    expect(counts(stage)).toEqual(['orders passing 60', 'web passing 100']);
    isRead = true;
    stage.loop.lookAgain();
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
  });
});

describe('a release', () => {
  it('lets go what was shown under the hash, and not what was lost later', async () => {
    const billing = podsOf('billing', 30);
    const stage = await stageWith([...ORDERS, ...billing, ...OTHERS]);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    const { hash = '', instances } = stage.loop.retaining();
    expect(instances).toHaveLength(60);
    expect(instances[0]).toEqual({
      service: 'orders',
      instance: 'prod.shop.orders-0:orders:8080',
      pod: 'shop/orders-0',
      why: 'its pod is not Ready: much was lost at once, and orders would be empty',
      since: new Date('2026-10-20T00:00:00Z'),
    });
    notReady(stage, billing);
    await stage.untilIdle();
    expect(stage.loop.release(hash)).toMatchObject({ outcome: 'released', staying: 30 });
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['billing critical 30', 'web passing 100']);
    expect(stage.loop.retaining().instances).toHaveLength(30);
  });

  it('lets go all that was shown, also what has been looked at since before it was read what others have', async () => {
    const billing = podsOf('billing', 30);
    const critical = [instance({ service: 'orders', status: 'critical' })];
    let isRead = true;
    const of = (service: string) => (service !== 'orders' ? [] : isRead ? critical : undefined);
    const stage = await stageWith([...ORDERS, ...billing, ...OTHERS], { others: { of } });
    stage.others.onEnsure = () => (isRead = true);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    const { hash = '', instances } = stage.loop.retaining();
    expect(instances).toHaveLength(60);
    notReady(stage, billing);
    for (const pod of ORDERS) {
      isRead = false;
      stage.loop.enqueue([`shop/${pod.name}`]);
      await stage.untilIdle();
    }
    expect(stage.others.ensured.length).toBeGreaterThan(0);
    expect(stage.loop.release(hash)).toMatchObject({ outcome: 'released', instances: { length: 60 }, staying: 30 });
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['billing critical 30', 'web passing 100']);
  });

  it('plans nothing itself: there may be thousands of pods', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    const { hash = '' } = stage.loop.retaining();
    const plan = jest.spyOn(stage.planner, 'plan');
    stage.loop.release(hash);
    expect(plan).not.toHaveBeenCalled();
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['web passing 100']);
  });

  it('of an unknown hash does nothing', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    expect(stage.loop.release('12345678')).toEqual({ outcome: 'unknown' });
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
  });

  it('holds until the pods are Ready again, and a pod that was released is retained when it is lost again', async () => {
    const stage = await stageWith([...ORDERS, ...OTHERS]);
    notReady(stage, ORDERS);
    await stage.untilIdle();
    const { hash = '' } = stage.loop.retaining();
    expect(stage.loop.release(hash)).toMatchObject({ outcome: 'released', staying: 0 });
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['web passing 100']);
    stage.loop.start();
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['web passing 100']);
    ready(stage, ORDERS);
    await stage.untilIdle();
    notReady(stage, ORDERS);
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 60', 'web passing 100']);
  });
});

describe('a restart', () => {
  it('retains what was retained, and nothing of what had gone', async () => {
    const lost = ORDERS.map((pod) => ({ ...pod, ready: NOT_READY }));
    const observed = registered({ pods: [...ORDERS.slice(0, 50), ...OTHERS] });
    const stage = loopStage({ pods: [...lost, ...OTHERS], observed });
    stage.loop.start();
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 50', 'web passing 100']);
    expect(stage.consul.removed).toEqual([]);
  });

  it('counts no pod that was deleted meanwhile, and none that is another of its name', async () => {
    const lost = ORDERS.slice(0, 40).map((pod) => ({ ...pod, ready: NOT_READY }));
    const others = ORDERS.slice(40, 50).map((pod) => ({ ...pod, uid: `new-${pod.uid}`, ready: NOT_READY }));
    const observed = registered({ pods: [...ORDERS, ...OTHERS] });
    const stage = loopStage({ pods: [...lost, ...others, ...OTHERS], observed });
    stage.loop.start();
    await stage.untilIdle();
    expect(counts(stage)).toEqual(['orders critical 40', 'web passing 100']);
  });
});

it('whatever the order and the grouping in which pods are lost, the end is the same', async () => {
  const orders = podsOf('orders', 24);
  const billing = podsOf('billing', 30);
  const far = billing.map((pod, i) => (i % 3 === 0 ? { ...pod, nodeName: 'worker-2' } : pod));
  const pods = [...orders, ...far, ...podsOf('web', 40)];
  const nodes = [node(), node({ name: 'worker-2', uid: 'uid-of-worker-2' })];
  type Change = { readonly pod: Pod; readonly is: 'lost' | 'deleted' } | 'unknown node';
  const most = (all: readonly Pod[]) => fc.oneof(fc.constant([...all]), fc.subarray([...all]));
  const history = fc.tuple(most(orders), most(far), fc.subarray(pods, { maxLength: 5 })).chain((all) => {
    const [lostOrders, lostBilling, deleted] = all;
    const gone = new Set(deleted);
    const changes: Change[] = [
      ...[...lostOrders, ...lostBilling].filter((pod) => !gone.has(pod)).map((pod) => ({ pod, is: 'lost' as const })),
      ...deleted.map((pod) => ({ pod, is: 'deleted' as const })),
      'unknown node',
    ];
    const order = fc.shuffledSubarray(changes, { minLength: changes.length });
    return fc.tuple(order, order, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }));
  });

  async function endOf(changes: readonly Change[], groups: readonly number[]): Promise<readonly string[]> {
    const stage = await stageWith(pods, { nodes });
    let rest = changes;
    for (let turn = 0; rest.length > 0; turn++) {
      const size = groups[turn % groups.length] ?? 1;
      for (const change of rest.slice(0, size)) {
        if (change === 'unknown node')
          stage.views.nodes.put({
            ...node({ name: 'worker-2', uid: 'uid-of-worker-2' }),
            ready: 'Unknown',
            resourceVersion: '11',
          });
        else if (change.is === 'lost') notReady(stage, [change.pod]);
        else remove(stage, [change.pod]);
      }
      rest = rest.slice(size);
      // Some groups are written before the next begins, others are not.
      if (size % 2 === 0) await stage.untilIdle();
      else await settled();
    }
    await stage.untilIdle();
    await stage.loop.drain(0);
    return stage.consul.shown;
  }

  await fc.assert(
    fc.asyncProperty(history, async ([order, another, groups]) => {
      expect(await endOf(order, groups)).toEqual(await endOf(another, [order.length]));
    }),
    { numRuns: 20 },
  );
}, 60_000);

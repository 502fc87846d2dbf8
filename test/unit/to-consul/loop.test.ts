import { describe, expect, it } from '@jest/globals';
import { TransactionConflict } from '../../../src/consul/errors.ts';
import type { OwnInstance } from '../../../src/to-consul/observed/own-instance.ts';
import type { PodPlan } from '../../../src/to-consul/plan/pod-plan.ts';
import { annotations, instance, policy, service, slice } from '../builders.ts';
import { WORKER_1 } from './instances.ts';
import { loopStage } from './loop-stage.ts';
import { podNamed, registered } from './planning.ts';
import { settled } from '../clock.ts';

const A = podNamed('a');
const B = podNamed('b', { podIPs: ['10.1.0.8'] });
const [THERE] = registered({ pods: [A] }) as [OwnInstance];
/** The pod a is missing, and another of its service is there. */
const WITHOUT_A = { pods: [B], observed: registered({ pods: [A, B] }) };
const HOLDER = instance({ id: 'self', service: 'orders', address: '10.1.0.7', port: 8080 });
const LINE_A = 'prod.shop.a:orders:8080 orders 10.1.0.7:8080 passing';
const LINE_B = 'prod.shop.b:orders:8080 orders 10.1.0.8:8080 passing';

/** A slice with the pod a, of the Service orders. */
const targeting = (overrides: Partial<Parameters<typeof slice>[0]> = {}) =>
  slice({
    endpoints: slice().endpoints.map((endpoint) => ({
      ...endpoint,
      target: { kind: 'Pod', namespace: 'shop', name: 'a' },
    })),
    ...overrides,
  });

describe('the loop', () => {
  it('brings all pods into Consul that either side knows, and comes to rest', async () => {
    const stage = loopStage({ pods: [A, B], observed: registered({ pods: [podNamed('gone')] }) });
    stage.loop.start();
    await stage.untilIdle();
    expect(stage.consul.shown).toEqual([LINE_A, LINE_B]);
    const { submissions } = stage;
    await stage.untilIdle();
    expect(stage.submissions).toBe(submissions);
    expect(stage.loop.status).toMatchObject({ instances: 2, rejected: 0, held: 0, waiting: 0, busy: 0 });
  });

  it('follows a pod that comes, changes and goes', async () => {
    const stage = loopStage();
    stage.views.pods.put(A);
    await stage.untilIdle();
    expect(stage.consul.shown).toEqual([LINE_A]);
    stage.views.pods.put({ ...A, podIPs: ['10.1.0.9'], resourceVersion: '101' });
    await stage.untilIdle();
    expect(stage.consul.shown).toEqual(['prod.shop.a:orders:8080 orders 10.1.0.9:8080 passing']);
    stage.views.pods.delete({ ...A, resourceVersion: '102' });
    await stage.untilIdle();
    expect([stage.consul.shown, stage.proofs]).toEqual([[], []]);
  });

  it('tries again what could not be written', async () => {
    const stage = loopStage({ pods: [A] });
    stage.refusals.push(new TransactionConflict([]), new Error('no leader'));
    stage.loop.start();
    await settled();
    await stage.untilIdle();
    expect(stage.consul.shown).toEqual([LINE_A]);
  });

  it('takes nothing more when it is drained', async () => {
    const stage = loopStage({ pods: [A] });
    expect(await stage.loop.drain(1000)).toBe(true);
    stage.loop.start();
    await settled();
    expect(stage.submissions).toBe(0);
  });
});

describe('what a plan does not know of others', () => {
  /** Others that have to be read, as long as the test says so. */
  const unreadUntil = (isRead: () => boolean, instances = [HOLDER]) => ({
    of: () => (isRead() ? instances : undefined),
  });

  it('is read, and what depends on it is written then', async () => {
    const stage: ReturnType<typeof loopStage> = loopStage({
      pods: [B],
      others: unreadUntil(() => stage.others.ensured.length > 0),
    });
    stage.loop.start();
    await stage.untilIdle();
    expect([stage.others.ensured, stage.consul.shown]).toEqual([['orders'], [LINE_B]]);
  });

  it('brings the key back when it is out of date before it can be used', async () => {
    const stage: ReturnType<typeof loopStage> = loopStage({
      pods: [B],
      others: unreadUntil(() => stage.others.ensured.length > 1),
    });
    stage.loop.start();
    await settled();
    await settled();
    await stage.untilIdle();
    expect([stage.others.ensured, stage.consul.shown]).toEqual([['orders', 'orders'], [LINE_B]]);
  });

  it('that cannot be read brings the key back, and holds nothing else up', async () => {
    const admin = { 'service-name': 'orders', 'service-name.9000': 'admin' };
    const both = podNamed('b', { podIPs: ['10.1.0.8'] }, admin);
    const stage = loopStage({
      pods: [both],
      others: { of: (name) => (name === 'admin' ? undefined : []) },
    });
    stage.others.failure = new Error('no leader');
    stage.loop.start();
    await settled();
    await settled();
    expect(stage.consul.shown).toEqual([LINE_B]);
    expect(stage.loop.status.failing).toEqual({ 'shop/b': 'no leader' });
    await stage.loop.drain(0);
  });

  it.each([
    ['is read while the key waits for its transaction', true, false, 1],
    ['is read after the transaction that goes at once', false, false, 2],
    ['is not looked for ahead where every name is known', true, true, 2],
  ])('%s', async (_, areFull, isListed, submissions) => {
    const stage: ReturnType<typeof loopStage> = loopStage({
      pods: [B],
      others: unreadUntil(() => stage.others.ensured.length > 0),
    });
    stage.lanes.areFull = areFull;
    stage.others.isListed = () => isListed;
    stage.loop.enqueue(['shop/b']);
    await stage.untilIdle();
    expect([stage.others.ensured, stage.consul.shown, stage.submissions]).toEqual([['orders'], [LINE_B], submissions]);
  });

  it('and is not answered holds nothing up that does not need it', async () => {
    const both = podNamed('b', { podIPs: ['10.1.0.8'] }, { 'service-name': 'orders', 'service-name.9000': 'admin' });
    const stage = loopStage({ pods: [both], others: { of: (name) => (name === 'admin' ? undefined : []) } });
    stage.lanes.areFull = true;
    stage.others.ensure = () => new Promise<void>(() => undefined);
    stage.loop.enqueue(['shop/b']);
    await settled();
    await settled();
    expect(stage.consul.shown).toEqual([LINE_B]);
    await stage.loop.drain(0);
  });
});

describe('a duplicate', () => {
  it('is told and followed, and its pod registered when the other goes', async () => {
    let there = [HOLDER];
    const stage = loopStage({ pods: [A], others: { of: () => there } });
    stage.loop.start();
    await stage.untilIdle();
    expect([stage.consul.shown, stage.others.followed, [...stage.rejected.keys()]]).toEqual([
      [],
      ['orders'],
      ['Pod shop/a'],
    ]);
    there = [];
    stage.others.changed('orders');
    await stage.untilIdle();
    expect([stage.consul.shown, stage.rejected.size]).toEqual([[LINE_A], 0]);
  });
});

describe('places that a policy limits', () => {
  it.each([
    ['room in the namespace', policy({ maxInstances: 1 }), 'shop'],
    ['a name', policy({ default: 'deny' }), 'bank'],
  ])(
    '%s: the last goes to one pod, although both plans are made in one batch; and to the other when it goes',
    async (_, limits, namespace) => {
      const second = podNamed('b', { namespace, podIPs: ['10.1.0.8'] });
      const lineOfSecond = LINE_B.replace('shop', namespace);
      const stage = loopStage({ pods: [A, second], config: { policy: limits } });
      stage.loop.start();
      await stage.untilIdle();
      expect(stage.consul.shown).toEqual([LINE_A]);
      expect([...stage.rejected.keys()]).toEqual([`Pod ${namespace}/b`]);
      stage.views.pods.delete({ ...A, resourceVersion: '101' });
      await stage.untilIdle();
      expect([stage.consul.shown, stage.rejected.size]).toEqual([[lineOfSecond], 0]);
    },
  );

  it('are taken when a plan is about to be written, and kept when it could not be', async () => {
    const stage = loopStage({ pods: [A, B], config: { policy: policy({ maxInstances: 1 }) } });
    stage.planner.plan('shop/b');
    stage.refusals.push(new Error('no leader'));
    stage.loop.start();
    await settled();
    await stage.untilIdle();
    expect(stage.consul.shown).toEqual([LINE_A]);
  });

  it('are kept by what is to go until it is gone: a removal may be refused', async () => {
    const stage = loopStage({ pods: [A, B], config: { policy: policy({ maxInstances: 1 }) } });
    const sizes: number[] = [];
    const apply = stage.consul.apply.bind(stage.consul);
    stage.consul.apply = (changes) => {
      apply(changes);
      sizes.push(stage.consul.size);
    };
    stage.loop.start();
    await stage.untilIdle();
    stage.refusals.push(new Error('no leader'));
    stage.views.pods.delete({ ...A, resourceVersion: '101' });
    await settled();
    await stage.untilIdle();
    expect(stage.consul.shown).toEqual([LINE_B]);
    expect(Math.max(...sizes)).toBe(1);
  });
});

describe('a removal that nobody witnessed', () => {
  it('is proven by a direct read', async () => {
    const stage = loopStage(WITHOUT_A);
    stage.loop.start();
    await stage.untilIdle();
    const proofs = stage.proofs.map(({ kind, name }) => `${kind} ${name}`);
    expect([stage.consul.shown, proofs]).toEqual([[LINE_B], ['Pod a']]);
  });

  it('is not made while the object exists after all: the key comes back', async () => {
    const stage = loopStage(WITHOUT_A);
    stage.existing.add('Pod shop/a');
    stage.loop.start();
    await settled();
    await settled();
    expect(stage.consul.shown).toEqual([LINE_A, LINE_B]);
    expect(Object.values(stage.loop.status.failing)).toEqual([
      'deregister prod.shop.a:orders:8080: the Pod is missing from the watch, or not seen as it is, but exists',
    ]);
    stage.existing.clear();
    await stage.untilIdle();
    expect(stage.consul.shown).toEqual([LINE_B]);
  });

  it('is made for one instance although another cannot be proven', async () => {
    const asking = (name: string) => service({ name, annotations: annotations({ 'service-name': name }) });
    const names = ['orders', 'admin'];
    const pods = [podNamed('a', { annotations: annotations({}) })];
    const slices = names.map((name) =>
      targeting({ name, uid: name, labels: new Map([['kubernetes.io/service-name', name]]) }),
    );
    const observed = registered({ pods, services: names.map(asking), slices });
    const stage = loopStage({ pods, observed });
    stage.existing.add('Service shop/admin');
    stage.loop.start();
    await settled();
    await settled();
    await settled();
    expect(stage.consul.shown.map((line) => line.split(' ')[1])).toEqual(['admin']);
    await stage.loop.drain(0);
  });

  describe('that was proven and waits to be sent', () => {
    async function provenStage() {
      const stage = loopStage(WITHOUT_A);
      stage.loop.start();
      for (let turn = 0; stage.proofs.length === 0 || stage.submitted.length === 0; turn++) {
        expect(turn).toBeLessThan(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
      stage.existing.add('Pod shop/a');
      return stage;
    }

    it('is not made when the pod is there again', async () => {
      const stage = await provenStage();
      stage.views.pods.put(A);
      await stage.untilIdle();
      expect(stage.consul.shown).toEqual([LINE_A, LINE_B]);
    });

    it('is not made on that proof when the pod was planned to stay in between', async () => {
      const stage = await provenStage();
      stage.views.pods.put(A);
      // A first try of the writer, which Consul refused.
      expect(stage.loop.planToWrite('shop/a').remove).toEqual([]);
      stage.views.pods.replace(new Map([['shop/b', B]]));
      await settled();
      await settled();
      expect([stage.consul.shown, stage.proofs.length]).toEqual([[LINE_A, LINE_B], 2]);
      await stage.loop.drain(0);
    });
  });

  it('comes back when it needs another proof by the time it is sent', async () => {
    const asking = service({ annotations: annotations({ 'service-name': 'orders' }) });
    const pods = [podNamed('a', { annotations: annotations({}) })];
    const stage = loopStage({ pods, observed: registered({ pods, services: [asking], slices: [targeting()] }) });
    stage.loop.start();
    for (let turn = 0; stage.proofs.length === 0 || stage.submitted.length === 0; turn++) {
      expect(turn).toBeLessThan(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // It is there again, and has the pod in no slice: nothing but its own slices can tell now.
    stage.views.services.put(asking);
    await stage.untilIdle();
    expect([stage.consul.shown, stage.proofs.map(({ kind }) => kind)]).toEqual([[], ['Service', 'EndpointSlice']]);
  });

  it('is made on its proof when what is known of others went out of date before it was sent', async () => {
    const asking = service({ annotations: annotations({ 'service-name': 'orders' }) });
    const before = {
      pods: [podNamed('a', { annotations: annotations({}) })],
      services: [asking],
      slices: [targeting()],
    };
    const stage: ReturnType<typeof loopStage> = loopStage({
      pods: [podNamed('a', {}, { 'service-name': 'other' })],
      observed: registered(before),
      others: { of: () => (stage.proofs.length > 0 && stage.others.ensured.length === 0 ? undefined : [HOLDER]) },
    });
    stage.loop.start();
    await settled();
    await stage.untilIdle();
    expect([stage.consul.shown, stage.proofs.length, stage.others.ensured]).toEqual([[], 1, ['other']]);
  });
});

describe('the last instance of a service, whose pod nobody saw go', () => {
  const gone = { observed: registered({ pods: [A, B] }) };
  const untilRead = async (stage: ReturnType<typeof loopStage>, proofs: number) => {
    for (let turn = 0; stage.proofs.length < proofs; turn++) {
      expect(turn).toBeLessThan(100);
      await settled();
    }
    await stage.untilIdle();
  };

  it('stays after a first direct read, held and told, without a failure, and so do all that are missing with it', async () => {
    const stage = loopStage(gone, { secondProofMs: 30_000 });
    stage.loop.start();
    await untilRead(stage, 2);
    expect(stage.consul.shown).toEqual([LINE_A, LINE_B]);
    expect(stage.loop.status).toMatchObject({ held: 2, failing: {} });
    const why = 'it is gone, and was the last of a Consul service: a second direct read has to say so';
    expect([...stage.loop.troubles()]).toEqual([`Pod shop/a (1 held): ${why}`, `Pod shop/b (1 held): ${why}`]);
    await stage.loop.drain(0);
  });

  it('stays when it is looked at again too soon, and goes after a second read 30 s later', async () => {
    const stage = loopStage({ observed: [THERE] }, { secondProofMs: 30_000 });
    stage.loop.start();
    await untilRead(stage, 1);
    await stage.clock.advance(29_999);
    stage.loop.enqueue(['shop/a']);
    await untilRead(stage, 2);
    expect([stage.consul.shown, stage.loop.status.held]).toEqual([[LINE_A], 1]);
    await stage.clock.advance(1);
    stage.loop.enqueue(['shop/a']);
    await untilRead(stage, 3);
    expect([stage.consul.shown, stage.loop.status.held, [...stage.loop.troubles()]]).toEqual([[], 0, []]);
  });

  it('comes back by itself for the second read', async () => {
    const stage = loopStage({ observed: [THERE] });
    stage.loop.start();
    await untilRead(stage, 1);
    await stage.untilIdle();
    expect([stage.consul.shown, stage.proofs.length]).toEqual([[], 2]);
  });

  it('goes at once when another pod of the service has come meanwhile', async () => {
    const stage = loopStage({ observed: [THERE] }, { secondProofMs: 30_000 });
    stage.loop.start();
    await untilRead(stage, 1);
    stage.views.pods.put(B);
    await stage.untilIdle();
    stage.loop.enqueue(['shop/a']);
    await untilRead(stage, 2);
    expect(stage.consul.shown).toEqual([LINE_B]);
  });

  it('needs two reads anew when its pod was there in between', async () => {
    const stage = loopStage({ observed: [THERE] }, { secondProofMs: 30_000 });
    stage.loop.start();
    await untilRead(stage, 1);
    stage.existing.add('Pod shop/a');
    stage.loop.enqueue(['shop/a']);
    for (let turn = 0; Object.keys(stage.loop.status.failing).length === 0; turn++) {
      expect(turn).toBeLessThan(100);
      await settled();
    }
    await stage.clock.advance(30_000);
    stage.existing.clear();
    await stage.untilIdle();
    expect([stage.consul.shown, stage.loop.status.held]).toEqual([[LINE_A], 1]);
    await stage.loop.drain(0);
  });
});

describe('a Consul node of somebody else', () => {
  it('is told, and read again at the next look at its pods', async () => {
    const stage = loopStage({ pods: [A] });
    stage.consul.setNode(WORKER_1, { why: 'it belongs to an agent' });
    stage.loop.start();
    await stage.untilIdle();
    expect([stage.consul.shown, [...stage.rejected]]).toEqual([[], [['Pod shop/a', 'it belongs to an agent']]]);
    expect(stage.refreshed).toEqual([]);
    stage.consul.clearNode(WORKER_1);
    stage.loop.enqueue(['shop/a']);
    await stage.untilIdle();
    expect([stage.refreshed, stage.consul.shown]).toEqual([[WORKER_1], [LINE_A]]);
    await stage.loop.drain(0);
  });
});

describe('what is held', () => {
  it('is counted and told with what is rejected, until it is mended', async () => {
    const broken = podNamed('a', {}, { 'service-port': 'none' });
    const stage = loopStage({ pods: [broken], observed: [THERE] });
    stage.loop.start();
    await stage.untilIdle();
    expect(stage.consul.shown).toEqual([LINE_A]);
    expect(stage.loop.status).toMatchObject({ instances: 1, held: 1, rejected: 1 });
    expect([...stage.loop.troubles()]).toEqual([expect.stringMatching(/^Pod shop\/a \(1 held\): /)]);
    stage.views.pods.put({ ...A, resourceVersion: '101' });
    await stage.untilIdle();
    expect([stage.loop.status.held, [...stage.loop.troubles()]]).toEqual([0, []]);
  });

  it('is told also when nothing is rejected', async () => {
    const asking = service({ annotations: annotations({ 'service-name': 'orders' }) });
    const pods = [podNamed('a', { annotations: annotations({}) })];
    const observed = registered({ pods, services: [asking], slices: [targeting()] });
    const stage = loopStage({ pods, services: [asking], slices: [targeting({ ports: [] })], observed });
    stage.loop.start();
    await stage.untilIdle();
    expect([...stage.loop.troubles()]).toEqual(['Pod shop/a (1 held): what is to replace it is not known yet']);
    await stage.loop.drain(1000);
  });
});

describe('the readiness gate', () => {
  it('is told the plan as it is after what was written', async () => {
    const told: [string, PodPlan['changes']][] = [];
    const gate = {
      settle: (key: string, { changes }: PodPlan) => {
        told.push([key, changes]);
        return Promise.resolve();
      },
    };
    const stage = loopStage({ pods: [A] }, { gate });
    stage.loop.start();
    await stage.untilIdle();
    expect(told).toEqual([['shop/a', { create: [], update: [], remove: [] }]]);
  });
});

describe('endpoints without a pod', () => {
  const asking = service({ annotations: annotations({ 'service-name': 'orders' }) });
  const without = slice({ endpoints: slice().endpoints.map((endpoint) => ({ ...endpoint, target: undefined })) });

  it('are told at the start, and not any more when their slice is gone', () => {
    const stage = loopStage({ services: [asking], slices: [without] });
    stage.views.endpointSlices.delete({ ...without, resourceVersion: '101' });
    expect(stage.reported).toEqual(['orders: 10.1.0.7', 'orders: ']);
  });

  it('are told when the slice comes, and not any more when the Service does not ask or is gone', () => {
    const stage = loopStage({ services: [asking] });
    stage.views.endpointSlices.put(without);
    stage.views.services.put({ ...asking, annotations: annotations({}), resourceVersion: '101' });
    stage.views.services.put({ ...asking, resourceVersion: '102' });
    stage.views.services.delete({ ...asking, resourceVersion: '103' });
    stage.views.endpointSlices.delete({ ...without, resourceVersion: '104' });
    expect(stage.reported).toEqual(['orders: ', 'orders: 10.1.0.7', 'orders: ', 'orders: 10.1.0.7', 'orders: ']);
  });

  it('are nobody else than those of Services that ask, in namespaces that are selected', () => {
    const config = { namespaces: { include: ['*'], exclude: ['shop'] } };
    const off = loopStage({ services: [asking], slices: [without], config });
    const silent = loopStage({ services: [service()], slices: [without] });
    expect([off.reported, silent.reported]).toEqual([['orders: '], ['orders: ']]);
  });

  it('that are of a pod in another namespace are such', () => {
    const target = { kind: 'Pod', namespace: 'bank', name: 'a' };
    const foreign = slice({ endpoints: slice().endpoints.map((endpoint) => ({ ...endpoint, target })) });
    expect(loopStage({ services: [asking], slices: [foreign] }).reported).toEqual(['orders: 10.1.0.7']);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { nextPodIP, until, untilIdle } from '../rig/index.ts';
import { podsIn, WriterStage } from '../rig/writer-stage.ts';

/** Of the Consul that is tested with, which takes 128, and of those before 1.14: there is room for one more, and a pod has two. */
const MOST_OPERATIONS = 126;
const MOST_OPERATIONS_BEFORE = 63;
const MOST_BYTES = 400 * 1024;
/** In a second: the changes that are no burst yet, and the transactions of one, 20 ms apart. */
const MOST_IN_A_SECOND = 50 + 50;

describe('transactions', () => {
  let stage: WriterStage;

  beforeAll(async () => {
    stage = await WriterStage.open();
    await stage.start();
  }, 60_000);
  beforeEach(() => stage.settle());
  afterAll(() => stage.close(), 30_000);

  const sizes = () => stage.proxy.transactions.map(({ operations }) => operations.length);

  it('a change goes out at once, in a transaction of its own, while fewer than two are in flight', async () => {
    const { proxy } = stage;
    const gate = proxy.hold();
    for (const [i, name] of ['alone-a', 'alone-b'].entries()) {
      await stage.createPods(name, 1);
      await proxy.untilInFlight(i + 1);
    }
    await stage.createPods('alone-c', 1);
    await stage.untilToWrite(3);
    expect(proxy.inFlight.map((transaction) => [...podsIn(transaction)])).toEqual([['alone-a-0'], ['alone-b-0']]);
    gate.release();
    await stage.untilRegistered('alone-c', 1);
    expect(sizes()).toEqual([2, 2, 2]);
  });

  it('changes gather while two are in flight, and go out together', async () => {
    const { proxy } = stage;
    const gate = await stage.occupy();
    await stage.createPods('gathered', 100);
    await stage.untilToWrite(102);
    expect(proxy.transactions).toHaveLength(2);
    gate.release();
    await stage.untilRegistered('gathered', 100);
    expect(proxy.transactions).toHaveLength(2 + Math.ceil(200 / MOST_OPERATIONS));
  });

  it('a burst goes out in as few transactions as the limit allows: reconciles do not cap the batch', async () => {
    const { proxy } = stage;
    const { kubernetes, namespace } = stage.rig;
    await stage.createPods('burst', 300, { annotations: { 'consular.dev/service-sync': 'false' } });
    await stage.settle();
    const gate = await stage.occupy();
    const optIn = (_: unknown, i: number) =>
      kubernetes.annotate(namespace, `burst-${i}`, { 'consular.dev/service-sync': null });
    await Promise.all(Array.from({ length: 300 }, optIn));
    await stage.untilToWrite(302);
    gate.release();
    await stage.untilRegistered('burst', 300);
    expect(proxy.transactions).toHaveLength(2 + Math.ceil(600 / MOST_OPERATIONS));
    expect(Math.max(...sizes())).toBe(MOST_OPERATIONS);
  });

  it('no transaction has more than 400 KiB, and one holds as much as fits', async () => {
    const { proxy } = stage;
    const meta = Array.from({ length: 50 }, (_, i) => [`consular.dev/service-meta-key-${i}`, 'ä'.repeat(256)]);
    const gate = await stage.occupy();
    await stage.createPods('large', 30, { annotations: Object.fromEntries(meta) as Record<string, string> });
    await stage.untilToWrite(32);
    gate.release();
    await stage.untilRegistered('large', 30);
    const bytes = proxy.transactions.map((transaction) => transaction.bytes);
    const total = bytes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(2 * MOST_BYTES - 50_000);
    expect(bytes.filter((size) => size > MOST_BYTES)).toEqual([]);
    // Another of these would have been too much.
    expect(Math.max(...bytes)).toBeGreaterThan(MOST_BYTES - 30_000);
    expect(proxy.transactions).toHaveLength(2 + Math.ceil(total / MOST_BYTES));
  });

  it('a pod that moves nodes is removed and created in one transaction, and never nowhere', async () => {
    const { kubernetes, namespace, cluster } = stage.rig;
    await stage.createPods('moving', 1);
    await stage.untilRegistered('moving', 1);
    await stage.settle();
    const gate = await stage.occupy();
    await kubernetes.deletePod(namespace, 'moving-0');
    await stage.createPods('moving', 1, { node: 'node-2' });
    await stage.untilToWrite(3);
    gate.release();
    await untilIdle(stage.daemon);
    const [transaction, ...others] = stage.transactionsOf(stage.idOf('moving-0', 'moving'));
    expect(others).toEqual([]);
    const operations = transaction?.operations.filter(({ id }) => id.includes('.moving-0:'));
    expect(operations?.map(({ verb, kind, node }) => `${verb} ${kind} on ${node}`)).toEqual([
      `cas Service on k8s-${cluster}--node-2`,
      `cas Check on k8s-${cluster}--node-2`,
      `delete-cas Service on k8s-${cluster}--node-1`,
    ]);
    expect((await stage.rig.consul.instances('moving')).map(({ Node }) => Node.Node)).toEqual([
      `k8s-${cluster}--node-2`,
    ]);
  });

  it('a pod that comes back under its name on its node has its instance changed in place', async () => {
    const { kubernetes, namespace, consul } = stage.rig;
    await stage.createPods('recreated', 1, { ip: nextPodIP() });
    await stage.untilRegistered('recreated', 1);
    await stage.settle();
    const gate = await stage.occupy();
    const ip = nextPodIP();
    await kubernetes.deletePod(namespace, 'recreated-0');
    await stage.createPods('recreated', 1, { ip });
    await stage.untilToWrite(3);
    gate.release();
    await untilIdle(stage.daemon);
    const [transaction, ...others] = stage.transactionsOf(stage.idOf('recreated-0', 'recreated'));
    expect(others).toEqual([]);
    const operations = transaction?.operations.filter(({ id }) => id.includes('.recreated-0:')) ?? [];
    expect(operations.map(({ verb, kind }) => `${verb} ${kind}`)).toEqual(['cas Service', 'cas Check']);
    expect(operations.filter(({ index }) => index === 0)).toEqual([]);
    expect(await consul.summary('recreated')).toEqual([`${ip}:8080 passing`]);
    const pod = await kubernetes.find(`/api/v1/namespaces/${namespace}/pods/recreated-0`);
    expect((await consul.instances('recreated'))[0]?.Service.Meta['k8s-pod-uid']).toBe(pod?.metadata.uid);
  });

  it('an IP that another pod has got never serves under the name of the first', async () => {
    const { proxy } = stage;
    const { kubernetes, namespace, consul } = stage.rig;
    const ip = nextPodIP();
    await stage.createPods('lender', 1, { ip });
    await stage.untilRegistered('lender', 1);
    await stage.settle();
    const gate = await stage.occupy();
    await kubernetes.deletePod(namespace, 'lender-0');
    await stage.createPods('borrower', 1, { ip });
    await stage.untilToWrite(4);
    gate.release();
    await stage.untilRegistered('borrower', 1);
    const [first = '', second = ''] = ['lender', 'borrower'].map((name) => stage.idOf(`${name}-0`, name));
    const of = (id: string) =>
      proxy.transactions.findIndex(({ operations }) => operations.some((one) => one.id === id));
    expect(of(first)).toBeGreaterThan(-1);
    expect(of(first)).toBeLessThanOrEqual(of(second));
    expect(await consul.summary('lender')).toEqual([]);
    expect(await consul.summary('borrower')).toEqual([`${ip}:8080 passing`]);
  });

  it('many changes of a pod that waits are one write of its latest state', async () => {
    const { kubernetes, namespace, consul } = stage.rig;
    await stage.createPods('busy', 1);
    await stage.untilRegistered('busy', 1);
    await stage.settle();
    const gate = await stage.occupy();
    for (let version = 1; version <= 20; version++)
      await kubernetes.annotate(namespace, 'busy-0', { 'consular.dev/service-meta-version': String(version) });
    await stage.untilToWrite(3);
    gate.release();
    await untilIdle(stage.daemon);
    expect((await consul.instances('busy'))[0]?.Service.Meta.version).toBe('20');
    expect(stage.transactionsOf(stage.idOf('busy-0', 'busy'))).toHaveLength(1);
  });

  it('in a burst, changes gather even when nothing is in flight', async () => {
    const { proxy } = stage;
    const { kubernetes, namespace } = stage.rig;
    const CHANGES = 400;
    await stage.createPods('stream', 60);
    await stage.untilRegistered('stream', 60);
    await stage.settle();
    const startedAt = performance.now();
    const worker = async (first: number) => {
      for (let i = first; i < CHANGES; i += 2)
        await kubernetes.annotate(namespace, `stream-${i % 60}`, { 'consular.dev/service-meta-round': String(i) });
    };
    await Promise.all([0, 1].map(worker));
    await untilIdle(stage.daemon);
    // One for each, near enough, if they did not gather. An API server that is busy otherwise makes no burst of them.
    const seconds = (performance.now() - startedAt) / 1000 + 1;
    expect(proxy.transactions.length).toBeLessThan(seconds * MOST_IN_A_SECOND);
  });
});

describe('a first fill with a token that may not ask for the version', () => {
  const PODS = 40;
  const SERVICES = ['one', 'two', 'three'];
  let stage: WriterStage;

  beforeAll(async () => {
    stage = await WriterStage.open({ acl: true });
    const { kubernetes, consul, namespace } = stage.rig;
    for (const name of SERVICES)
      await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
        metadata: { name, annotations: { 'consular.dev/service-sync': 'true' } },
        spec: { selector: { app: 'multiple' }, ports: [{ port: 80, targetPort: 8080 }] },
      });
    await stage.createPods('own', PODS, { labels: { app: 'multiple' } });
    for (const name of SERVICES) {
      const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D${name}`;
      await until(`the endpoints of ${name}`, async () => {
        const endpoints = (await kubernetes.list(slices)).flatMap(
          (slice) => (slice.endpoints ?? []) as { conditions: { ready: boolean } }[],
        );
        return endpoints.filter(({ conditions }) => conditions.ready).length === PODS;
      });
    }
    const rules = 'node_prefix "" { policy = "write" } service_prefix "" { policy = "write" }';
    await consul.must('PUT', '/acl/policy', { Name: 'without-agent', Rules: rules });
    const token = await consul.must('PUT', '/acl/token', { Policies: [{ Name: 'without-agent' }] });
    await stage.rig.startDaemon({
      consulAddress: stage.proxy.address,
      token: (token as { SecretID: string }).SecretID,
    });
    for (const name of ['own', ...SERVICES]) await stage.untilRegistered(name, PODS);
  }, 60_000);
  afterAll(() => stage.close(), 30_000);

  it('has at most 63 operations in a transaction, one less than all versions take, and fills them', () => {
    const sizes = stage.proxy.transactions.map(({ operations }) => operations.length);
    expect(sizes.filter((size) => size > MOST_OPERATIONS_BEFORE)).toEqual([]);
    // A group has 8 operations: another would have been too much.
    expect(Math.max(...sizes)).toBeGreaterThan(MOST_OPERATIONS_BEFORE - 8);
  });

  it('never splits the registrations of a pod', () => {
    const transactionsOfPod = new Map<string, number>();
    for (const transaction of stage.proxy.transactions)
      for (const pod of podsIn(transaction)) transactionsOfPod.set(pod, (transactionsOfPod.get(pod) ?? 0) + 1);
    expect(transactionsOfPod.size).toBe(PODS);
    expect([...transactionsOfPod].filter(([, count]) => count !== 1)).toEqual([]);
  });
});

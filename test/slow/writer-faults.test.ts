import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { nextPodIP, statusOf, until, untilEqual, untilIdle } from '../rig/index.ts';
import type { Fault, SeenTransaction } from '../rig/fault-proxy.ts';
import { podsIn, WriterStage } from '../rig/writer-stage.ts';

const CRITICAL = { 'consular.dev/not-ready': 'critical' };
const VERSION = 'consular.dev/service-meta-version';

/** Annotations that make about so many KiB of meta. */
function meta(kibibytes: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: kibibytes * 2 }, (_, i) => [`consular.dev/service-meta-key-${i}`, 'x'.repeat(512)]),
  );
}

describe('a write that goes wrong', () => {
  let stage: WriterStage;

  beforeAll(async () => {
    stage = await WriterStage.open();
    await stage.start();
  }, 60_000);
  beforeEach(() => stage.settle());
  afterEach(() => {
    stage.proxy.transactionFault = () => 'pass';
    stage.proxy.readFault = () => 'pass';
  });
  afterAll(() => stage.close(), 30_000);

  it.each<[string, Fault]>([
    [
      '429',
      { status: 429, text: 'Your IP is issuing too many concurrent connections, please rate limit your calls\n' },
    ],
    ['500', { status: 500, text: 'No cluster leader' }],
    ['503', { status: 503, text: '<html><body><h1>503 Service Unavailable</h1></body></html>' }],
    ['a reset', 'reset'],
  ])('%s: goes out again, not at once and not for each change, until it gets through', async (name, fault) => {
    const { proxy, rig } = stage;
    const service = `f-${name.replace(/\W/g, '')}`;
    await stage.createPods(service, 50);
    await stage.untilRegistered(service, 50);
    await stage.settle();
    proxy.transactionFault = () => fault;
    const changes = { 'consular.dev/service-tags': 'after' };
    for (let i = 0; i < 150; i++) {
      const version = { ...changes, [VERSION]: String(i) };
      await rig.kubernetes.annotate(rig.namespace, `${service}-${i % 50}`, version);
    }
    await stage.createPods(`${service}-new`, 10);
    await stage.untilToWrite(60);
    await until('a few attempts', () => Promise.resolve(proxy.transactions.length >= 4));
    expect(proxy.transactions.length).toBeLessThan(16);
    proxy.transactionFault = () => 'pass';
    await stage.untilRegistered(`${service}-new`, 10);
    const tags = async () => (await rig.consul.instances(service)).map(({ Service }) => Service.Tags.join());
    await untilEqual('all changes', tags, Array<string>(50).fill('after'));
  });

  it('a lost reply to a creation: there is one instance, and it was written once', async () => {
    const { proxy } = stage;
    const ip = nextPodIP();
    const lost = loseNextReply();
    await stage.createPods('created', 1, { ip });
    const transaction = await lost;
    await untilIdle(stage.daemon);
    expect(transaction.status).toBe(200);
    expect(await stage.rig.consul.summary('created')).toEqual([`${ip}:8080 passing`]);
    expect(proxy.transactions.filter(({ status }) => status === 200)).toEqual([transaction]);
  });

  it('a lost reply to a change: it is written once', async () => {
    const { consul, kubernetes, namespace } = stage.rig;
    await stage.createPods('changed', 1);
    await stage.untilRegistered('changed', 1);
    await stage.settle();
    const lost = loseNextReply();
    await kubernetes.annotate(namespace, 'changed-0', { [VERSION]: '2' });
    const transaction = await lost;
    const written = (await consul.instances('changed'))[0]?.Service;
    await untilIdle(stage.daemon);
    expect(written?.Meta.version).toBe('2');
    expect((await consul.instances('changed'))[0]?.Service).toEqual(written);
    expect(stage.proxy.transactions.filter(({ status }) => status === 200)).toEqual([transaction]);
  });

  it('a lost reply to a removal: nothing else goes', async () => {
    const { consul, kubernetes, namespace } = stage.rig;
    await stage.createPods('removed', 2);
    await stage.untilRegistered('removed', 2);
    await stage.settle();
    const lost = loseNextReply();
    await kubernetes.deletePod(namespace, 'removed-0');
    const transaction = await lost;
    await untilIdle(stage.daemon);
    expect(await consul.summary('removed')).toHaveLength(1);
    expect(stage.proxy.transactions.filter(({ status }) => status === 200)).toEqual([transaction]);
  });

  it('a lost reply to what is no longer wanted: Consul is asked what it has, and it is taken back', async () => {
    const { proxy, rig } = stage;
    // Without its long polls the daemon cannot learn from anywhere else what became of it.
    proxy.readFault = (path) => (path.includes('index=') ? { status: 500, text: 'rpc error: EOF' } : 'pass');
    let drop: ((value?: unknown) => void) | undefined;
    const lost = loseNextReply(new Promise((resolve) => (drop = resolve)));
    await stage.createPods('regretted', 1);
    await stage.untilRegistered('regretted', 1);
    await rig.kubernetes.setReady(rig.namespace, 'regretted-0', false);
    // The daemon sees pods in the order of their changes: this one, which passes, tells that it has seen that one.
    await stage.createPods('later-than-regretted', 1);
    await stage.untilRegistered('later-than-regretted', 1);
    drop?.();
    await lost;
    await untilEqual('no instance', () => rig.consul.summary('regretted'), []);
  });

  it('a pod that flips all the time: one write at a time, in order, and the last state wins', async () => {
    const { proxy, rig } = stage;
    const { kubernetes, consul, namespace } = rig;
    await stage.createPods('flipping', 3);
    await stage.createPods('versioned', 3, { annotations: { ...CRITICAL, [VERSION]: '0' } });
    await stage.untilRegistered('flipping', 3);
    await stage.untilRegistered('versioned', 3);
    await stage.settle();
    // Each transaction is held until the world has moved on twice.
    const ROUNDS = 60;
    let moves = 0;
    proxy.transactionFault = async (): Promise<Fault> => {
      const goal = Math.min(moves + 2, ROUNDS);
      await until(`round ${goal}`, () => Promise.resolve(moves >= goal));
      return 'pass';
    };
    for (let i = 1; i <= ROUNDS; i++) {
      const ready = i % 2 === 0;
      await Promise.all([
        kubernetes.setReady(namespace, `flipping-${i % 3}`, ready),
        kubernetes.setReady(namespace, `versioned-${i % 3}`, ready),
        kubernetes.annotate(namespace, `versioned-${i % 3}`, { [VERSION]: String(i) }),
      ]);
      moves = i;
    }
    await untilIdle(stage.daemon);
    // The last states were of rounds 58, 59 and 60.
    expect(await consul.summary('flipping')).toHaveLength(2);
    const last = (await consul.instances('versioned')).map(
      ({ Service, Checks }) => `${Service.Meta.version ?? ''} ${Checks.map(({ Status }) => Status).join()}`,
    );
    expect(last.sort()).toEqual(['58 passing', '59 critical', '60 passing']);
    expect(statusesBelow(proxy.transactions, 200)).toEqual([]);
    for (const name of ['flipping', 'versioned'])
      for (const pod of [0, 1, 2]) {
        const own = stage.transactionsOf(stage.idOf(`${name}-${pod}`, name));
        expect(own.length).toBeGreaterThan(2);
        expect(own.slice(1).filter(({ arrived }, i) => arrived < (own[i]?.answered ?? 0))).toEqual([]);
        const versions = own.flatMap(({ operations }) => versionsIn(operations, `${name}-${pod}`));
        expect(versions).toEqual([...versions].sort((a, b) => a - b));
      }
  });

  it.each<[string, Record<string, string>, (pod: string, isThere: boolean) => Promise<unknown>]>([
    ['a removal', {}, (pod, isThere) => setReady(pod, !isThere)],
    ['a change', {}, (pod, isThere) => annotate(pod, { [VERSION]: isThere ? '2' : '1' })],
    ['a change of a check', CRITICAL, (pod, isThere) => setReady(pod, !isThere)],
  ])('%s that arrives late, when it is no longer wanted, does nothing', async (what, annotations, change) => {
    const { proxy } = stage;
    const service = what.replaceAll(' ', '-');
    await stage.createPods(service, 1, { annotations: { ...annotations, [VERSION]: '1' } });
    await stage.untilRegistered(service, 1);
    await stage.settle();
    const before = await stage.rig.consul.instances(service);
    const late = delayNext(stage);
    await change(`${service}-0`, true);
    await proxy.untilInFlight(1);
    await change(`${service}-0`, false);
    // The daemon sees pods in the order of their changes: this one tells that it has seen that one.
    await stage.createPods(`later-than-${service}`, 1);
    await stage.untilRegistered(`later-than-${service}`, 1);
    late.fail();
    await untilIdle(stage.daemon);
    late.arrive();
    await until('the late one', () => Promise.resolve(proxy.inFlight.length === 0));
    const statuses = stage.transactionsOf(stage.idOf(`${service}-0`, service)).map(({ status }) => status);
    expect(statuses).toEqual([409]);
    expect(await stage.rig.consul.instances(service)).toEqual(before);
  });

  it('a creation that arrives late, when the pod is gone, leaves nothing behind', async () => {
    const { kubernetes, consul, namespace } = stage.rig;
    const late = delayNext(stage);
    await stage.createPods('short-lived', 1);
    await stage.proxy.untilInFlight(1);
    await kubernetes.deletePod(namespace, 'short-lived-0');
    await stage.createPods('later-than-short-lived', 1);
    await stage.untilRegistered('later-than-short-lived', 1);
    late.fail();
    await untilIdle(stage.daemon);
    late.arrive();
    await until('the late one', () => Promise.resolve(stage.proxy.inFlight.length === 0));
    const own = stage.transactionsOf(stage.idOf('short-lived-0', 'short-lived'));
    expect(own.map(({ status }) => status)).toEqual([409]);
    expect(await consul.summary('short-lived')).toEqual([]);
  });

  const setReady = (pod: string, ready: boolean) => stage.rig.kubernetes.setReady(stage.rig.namespace, pod, ready);
  const annotate = (pod: string, annotations: Record<string, string>) =>
    stage.rig.kubernetes.annotate(stage.rig.namespace, pod, annotations);

  /** The next transaction is applied, and its reply dropped, once that promise resolves; those after it pass. */
  async function loseNextReply(at: Promise<unknown> = Promise.resolve()): Promise<SeenTransaction> {
    const { proxy } = stage;
    let lost: SeenTransaction | undefined;
    proxy.transactionFault = (transaction) => {
      if (lost) return 'pass';
      lost = transaction;
      return { lose: at };
    };
    return until('a lost reply', () => Promise.resolve(lost && lost.answered < Infinity && lost));
  }
});

/** Holds the next transaction; the connection of its daemon fails, and later it arrives at Consul all the same. */
function delayNext({ proxy }: WriterStage): { fail(): void; arrive(): void } {
  let arrive: () => void = () => undefined;
  let fail: () => void = () => undefined;
  const late = new Promise<void>((resolve) => (arrive = resolve));
  const faults: Promise<Fault>[] = [new Promise((resolve) => (fail = () => resolve({ late })))];
  proxy.transactionFault = () => faults.shift() ?? 'pass';
  return { fail: () => fail(), arrive: () => arrive() };
}

const statusesBelow = (transactions: readonly SeenTransaction[], status: number) =>
  transactions.filter((transaction) => transaction.status < status);

function versionsIn(operations: SeenTransaction['operations'], pod: string): number[] {
  return operations
    .filter(({ kind, verb, id }) => kind === 'Service' && verb === 'cas' && id.includes(`.${pod}:`))
    .map(({ body }) => Number((body.Meta as Record<string, string>).version ?? 0));
}

describe('a token without the right to the key of the fence', () => {
  const RULES =
    'node_prefix "" { policy = "write" } service_prefix "" { policy = "write" } agent_prefix "" { policy = "read" }';
  /** Many times as long as what is done while the node rests. */
  const LATEST_WRITE_MS = 8000;
  let stage: WriterStage;

  beforeAll(async () => {
    stage = await WriterStage.open({ acl: true });
    const { consul } = stage.rig;
    await consul.must('PUT', '/acl/policy', { Name: 'no-key', Rules: RULES });
    const { SecretID } = (await consul.must('PUT', '/acl/token', { Policies: [{ Name: 'no-key' }] })) as {
      SecretID: string;
    };
    await stage.start({ token: SecretID, timings: { latestWriteMs: LATEST_WRITE_MS } });
  }, 60_000);
  afterAll(() => stage.close(), 30_000);

  it('has a node rest on which nobody knows what was written, and others go on; what came late is found and mended', async () => {
    const { proxy, rig } = stage;
    const { kubernetes, consul, namespace } = rig;
    expect((await statusOf(stage.daemon)).consul.unfenced).toContain('Permission denied');
    await stage.createPods('removed', 1, { node: 'node-1' });
    await stage.untilRegistered('removed', 1);
    await stage.settle();
    const late = delayNext(stage);
    await kubernetes.setReady(namespace, 'removed-0', false);
    await proxy.untilInFlight(1);
    late.fail();
    await kubernetes.setReady(namespace, 'removed-0', true);
    await stage.createPods('on-the-same', 3, { node: 'node-1' });
    await stage.createPods('elsewhere', 80, { node: 'node-2' });
    await stage.untilRegistered('elsewhere', 80);
    late.arrive();
    await untilEqual('a removal that came late', () => consul.summary('removed'), []);
    const nodesOf = ({ operations }: SeenTransaction) => new Set(operations.map(({ node }) => node));
    const onTheNode = proxy.transactions.filter((one) => nodesOf(one).has(`k8s-${rig.cluster}--node-1`));
    expect(onTheNode).toHaveLength(1);
    await stage.untilRegistered('removed', 1);
    await stage.untilRegistered('on-the-same', 3);
  });
});

describe('a Consul that takes small requests only', () => {
  const MOST_BYTES = 20_000;
  /** Operations, in the second test. */
  const MOST = 16;
  let stage: WriterStage;

  beforeAll(async () => {
    stage = await WriterStage.open({
      settings: { limits: { txn_max_req_len: MOST_BYTES, kv_max_value_size: MOST_BYTES } },
    });
    await stage.start();
  }, 60_000);
  afterAll(() => stage.close(), 30_000);

  it('gets half as much after each 413 until it fits, and what never fits costs only itself', async () => {
    const { proxy, rig } = stage;
    const blockers = await stage.occupy();
    await stage.createPods('giant', 1, { annotations: meta(24) });
    await stage.createPods('small', 30, { annotations: meta(4) });
    await stage.untilToWrite(33);
    blockers.release();
    await stage.untilRegistered('small', 30);
    const refused = proxy.transactions.filter(({ status }) => status === 413);
    expect(refused.some((transaction) => podsIn(transaction).size > 1)).toBe(true);
    expect(refused.filter(({ bytes }) => bytes <= MOST_BYTES)).toEqual([]);
    await until('the giant named', async () => {
      const { toConsul } = await statusOf(stage.daemon);
      return /Consul answered 413|do not fit/.test(toConsul?.failing[`${rig.namespace}/giant-0`] ?? '');
    });
    await stage.createPods('later', 1);
    await stage.untilRegistered('later', 1);
    expect([...new Set(refusedAlone(proxy.transactions))]).toEqual(['giant-0']);
    const none = Object.keys(meta(24)).map((key) => [key, null]);
    await rig.kubernetes.annotate(rig.namespace, 'giant-0', Object.fromEntries(none) as Record<string, null>);
    await stage.untilRegistered('giant', 1);
  });

  it('gets fewer operations where these are too many, as behind a balancer with servers of several versions', async () => {
    const { proxy } = stage;
    await stage.settle();
    const gate = await stage.occupy();
    await stage.createPods('many', 60);
    await stage.untilToWrite(62);
    proxy.transactionFault = ({ operations: { length } }) =>
      length <= MOST ? 'pass' : { status: 413, text: `Transaction contains too many operations (${length} > ${MOST})` };
    gate.release();
    await stage.untilRegistered('many', 60);
    expect(most()).toBeGreaterThan(MOST / 2);
    expect(most()).toBeLessThanOrEqual(MOST);
  });

  it('gets no more before a restart, when it takes more again', async () => {
    const { proxy } = stage;
    proxy.transactionFault = () => 'pass';
    await stage.settle();
    const gate = await stage.occupy();
    await stage.createPods('more', 60);
    await stage.untilToWrite(62);
    gate.release();
    await stage.untilRegistered('more', 60);
    expect(most()).toBeGreaterThan(MOST / 2);
    expect(most()).toBeLessThanOrEqual(MOST);
  });

  const committed = () => stage.proxy.transactions.filter(({ status }) => status === 200);
  const most = () => Math.max(...committed().map(({ operations }) => operations.length));
});

function refusedAlone(transactions: readonly SeenTransaction[]): string[] {
  const refused = transactions.filter(({ status }) => status === 413).map(podsIn);
  return refused.filter(({ size }) => size === 1).flatMap((pods) => [...pods]);
}

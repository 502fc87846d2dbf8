import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { until, untilEqual } from '../rig/index.ts';
import type { Fault, SeenTransaction } from '../rig/fault-proxy.ts';
import { WriterStage } from '../rig/writer-stage.ts';

interface NodeRow {
  readonly Node: string;
  readonly Meta: Record<string, string>;
  readonly ModifyIndex: number;
}

const isRemovalOf =
  (node: string) =>
  ({ operations }: SeenTransaction) =>
    operations.some(({ kind, verb, node: name }) => kind === 'Node' && verb === 'delete-cas' && name === node);

describe('Consul nodes that are empty', () => {
  let stage: WriterStage;
  /** What a node of ours has, to make more of them. */
  let marks: Record<string, string>;
  let names = 0;

  beforeAll(async () => {
    stage = await WriterStage.open();
    await stage.start({ timings: { emptyNodeMs: 300, distrustMs: 300 } });
    marks = (await nodeRow(nodeName('node-1')))?.Meta ?? {};
  }, 60_000);
  beforeEach(() => stage.settle());
  afterAll(() => stage.close(), 30_000);

  const nodeName = (node: string) => `k8s-${stage.rig.cluster}--${node}`;

  async function nodeRow(name: string): Promise<NodeRow | undefined> {
    const rows = (await stage.rig.consul.must('GET', '/catalog/nodes')) as NodeRow[];
    return rows.find(({ Node }) => Node === name);
  }

  /** Puts something into the catalog on a node, as somebody else does. */
  function register(Node: string, NodeMeta: object, entry: object = {}): Promise<unknown> {
    return stage.rig.consul.must('PUT', '/catalog/register', { Node, Address: '192.0.2.1', NodeMeta, ...entry });
  }

  const untilGone = (name: string) => until(`node ${name} gone`, async () => (await nodeRow(name)) === undefined);

  /** A pod on a Kubernetes node of its own, which goes again: its Consul node is left behind, empty. */
  async function leaveBehind(node: string): Promise<string> {
    const { kubernetes, namespace } = stage.rig;
    await kubernetes.createNode(node);
    await stage.createPods(`was-on-${node}`, 1, { node });
    await stage.untilRegistered(`was-on-${node}`, 1);
    await kubernetes.deletePod(namespace, `was-on-${node}-0`);
    return nodeName(node);
  }

  /** Whatever else was empty before has been judged, too, once others that became empty later went. */
  async function untilOthersWent(): Promise<void> {
    for (let i = 0; i < 2; i++) await untilGone(await leaveBehind(fresh()));
  }

  const fresh = () => `${stage.rig.cluster}-${names++}`;

  it('go, and come back with the next pod; those in use stay', async () => {
    const node = fresh();
    await untilGone(await leaveBehind(node));
    await stage.createPods('returned', 1, { node });
    await stage.untilRegistered('returned', 1);
    await untilOthersWent();
    expect(await nodeRow(nodeName(node))).toBeDefined();
    expect(await stage.rig.consul.summary('returned')).toHaveLength(1);
    for (const used of ['node-1', 'node-2']) expect(await nodeRow(nodeName(used))).toBeDefined();
  });

  it('stay when anything of somebody else is on them, or when they are not ours', async () => {
    const { consul, cluster } = stage.rig;
    const service = { Service: { ID: 'squatter', Service: 'squatter', Port: 80 } };
    // Looks like an instance of ours of another cluster.
    const meta = { 'managed-by': 'consular', 'k8s-cluster': 'other' };
    const cousin = { Service: { ID: 'other.shop.pod:cousin:80', Service: 'cousin', Port: 80, Meta: meta } };
    const check = { Check: { CheckID: 'probe', Name: 'probe', Status: 'passing' } };
    await register(nodeName('squatted'), marks, service);
    await register(nodeName('shared'), marks, cousin);
    await register(nodeName('probed'), marks, check);
    await register(nodeName('bare'), {});
    await register(nodeName('half'), { ...marks, 'managed-by': '' });
    await register('elsewhere', marks);
    // The daemon learns of all of these by the same look.
    await register(nodeName('seen'), marks);
    await untilGone(nodeName('seen'));
    const stays = [...['squatted', 'shared', 'probed', 'bare', 'half'].map(nodeName), 'elsewhere'];
    const rows = () => Promise.all(stays.map(nodeRow));
    const before = await rows();
    expect(before).not.toContain(undefined);
    await untilOthersWent();
    expect(await rows()).toEqual(before);
    expect(await consul.instances('squatter')).toHaveLength(1);
    expect(await consul.instances('cousin')).toHaveLength(1);
    const removed = stage.proxy.transactions.filter((transaction) =>
      stays.some((name) => isRemovalOf(name)(transaction)),
    );
    expect(removed).toEqual([]);
    // What kept one is gone.
    await consul.must('PUT', '/catalog/deregister', { Node: nodeName('squatted'), ServiceID: 'squatter' });
    await untilGone(nodeName('squatted'));
    expect(await nodeRow(`k8s-${cluster}`)).toBeDefined();
  });

  it("stay when they are the node of Consular's own entry, even without it", async () => {
    const { consul, cluster } = stage.rig;
    const Node = `k8s-${cluster}`;
    const before = await nodeRow(Node);
    await consul.must('PUT', '/catalog/deregister', { Node, ServiceID: `consular-${cluster}` });
    await untilOthersWent();
    expect(before).toBeDefined();
    expect(await nodeRow(Node)).toEqual(before);
  });

  it('stay while an instance is on its way to them', async () => {
    const { proxy, rig } = stage;
    const node = fresh();
    await rig.kubernetes.createNode(node);
    await stage.createPods('leaving', 1, { node });
    await stage.untilRegistered('leaving', 1);
    await stage.settle();
    let pass: ((fault: Fault) => void) | undefined;
    const held = new Promise<Fault>((resolve) => (pass = resolve));
    const isOfComing = ({ operations }: SeenTransaction) => operations.some(({ id }) => id.includes('.coming-0:'));
    proxy.transactionFault = (transaction) => (isOfComing(transaction) ? held : 'pass');
    await stage.createPods('coming', 1, { node });
    await proxy.untilInFlight(1);
    await rig.kubernetes.deletePod(rig.namespace, 'leaving-0');
    await untilEqual('an empty node', () => rig.consul.summary('leaving'), []);
    await untilOthersWent();
    pass?.('pass');
    await stage.untilRegistered('coming', 1);
    await untilOthersWent();
    expect(proxy.transactions.filter(isRemovalOf(nodeName(node)))).toEqual([]);
    expect(await rig.consul.summary('coming')).toHaveLength(1);
  });

  it('keep a pod waiting that comes while they are being removed', async () => {
    const { proxy } = stage;
    const node = fresh();
    let pass: ((fault: Fault) => void) | undefined;
    const held = new Promise<Fault>((resolve) => (pass = resolve));
    const removals = () => proxy.transactions.filter(isRemovalOf(nodeName(node)));
    proxy.transactionFault = (transaction) => (isRemovalOf(nodeName(node))(transaction) ? held : 'pass');
    await leaveBehind(node);
    await until('its removal', () => Promise.resolve(removals().length === 1));
    await stage.createPods('just-then', 1, { node });
    await stage.untilToWrite(1);
    expect(proxy.inFlight).toEqual(removals());
    pass?.('pass');
    await stage.untilRegistered('just-then', 1);
    const [creation, ...others] = stage.transactionsOf(stage.idOf('just-then-0', 'just-then'));
    expect(others).toEqual([]);
    expect(creation?.operations[0]).toMatchObject({ kind: 'Node', verb: 'cas', node: nodeName(node), index: 0 });
  });

  it('are removed for certain before anything comes there: a removal that arrives late takes nothing', async () => {
    const { proxy, rig } = stage;
    const node = fresh();
    let arrive: ((value?: unknown) => void) | undefined;
    const late = new Promise((resolve) => (arrive = resolve));
    let fail: ((fault: Fault) => void) | undefined;
    const faults: Promise<Fault>[] = [new Promise((resolve) => (fail = resolve))];
    const removals = () => proxy.transactions.filter(isRemovalOf(nodeName(node)));
    proxy.transactionFault = (transaction) =>
      (isRemovalOf(nodeName(node))(transaction) ? faults.shift() : undefined) ?? 'pass';
    await leaveBehind(node);
    await until('its removal', () => Promise.resolve(removals().length === 1));
    await stage.createPods('after-all', 1, { node });
    await stage.untilToWrite(1);
    fail?.({ late });
    await stage.untilRegistered('after-all', 1);
    arrive?.();
    await until('the late one', () => Promise.resolve(removals().every(({ answered }) => answered < Infinity)));
    expect(removals().map(({ status }) => status)).toEqual([409, 200]);
    expect(stage.transactionsOf(stage.idOf('after-all-0', 'after-all'))).toHaveLength(1);
    expect(await rig.consul.summary('after-all')).toHaveLength(1);
  });
});

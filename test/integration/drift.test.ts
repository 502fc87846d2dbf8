import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openRig, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

const NODES = 20;
const PODS = 500;
const PORTS = Array.from({ length: 20 }, (_, i) => 9000 + i);
/** So many pods have their services together, on all of the nodes. */
const GROUP = 50;
const REMOVED_NODE = 7;
const LIMIT_MS = 55_000;

interface NodeServices {
  readonly Node: { readonly Address: string; readonly Meta: Record<string, string> };
  readonly Services: readonly { readonly ID: string; readonly ModifyIndex: number }[] | null;
}

describe('10 000 instances that others change', () => {
  let rig: Rig;
  let daemon: Daemon;
  /** The index of each instance, as it was registered. */
  let registered: Map<string, number>;
  /** Instances that a test lets others change, or changes itself. */
  const changed = new Set<string>();

  const kubernetesNode = (i: number) => `${rig.cluster}-${i % NODES}`;
  const nodeName = (i: number) => `k8s-${rig.cluster}--${kubernetesNode(i)}`;
  const service = (pod: number, port: number) => `many-${port}-${Math.floor(pod / GROUP)}`;
  const idOf = (pod: number, port: number) =>
    `${rig.cluster}.${rig.namespace}.pod-${pod}:${service(pod, port)}:${port}`;
  const contents = async (node: number) =>
    (await rig.consul.must('GET', `/catalog/node-services/${nodeName(node)}`)) as NodeServices;

  const instances = (name: string) => rig.consul.instances(name);

  async function indexes(): Promise<Map<string, number>> {
    const nodes = await Promise.all(Array.from({ length: NODES }, (_, i) => contents(i)));
    return new Map(nodes.flatMap(({ Services }) => (Services ?? []).map(({ ID, ModifyIndex }) => [ID, ModifyIndex])));
  }

  beforeAll(async () => {
    rig = await openRig();
    const { kubernetes, namespace } = rig;
    const annotations = (pod: number) => ({
      ...Object.fromEntries(PORTS.map((port) => [`consular.dev/service-name.${port}`, service(pod, port)])),
      'consular.dev/not-ready': 'critical',
    });
    await Promise.all(Array.from({ length: NODES }, (_, i) => kubernetes.createNode(kubernetesNode(i))));
    await Promise.all(
      Array.from({ length: PODS }, (_, i) =>
        kubernetes.createPod(namespace, `pod-${i}`, {
          node: kubernetesNode(i),
          annotations: annotations(i),
          ready: i !== 0,
        }),
      ),
    );
    daemon = await rig.startDaemon({ toKubernetes: { enabled: false } });
    const size = async () => (await statusOf(daemon)).toConsul?.instances;
    await until('all registered', async () => (await size()) === PODS * PORTS.length, 2 * LIMIT_MS);
    await untilIdle(daemon);
    registered = await indexes();
  }, 240_000);
  afterEach(async () => {
    await untilIdle(daemon);
    const now = await indexes();
    expect(now.size).toBe(PODS * PORTS.length);
    const written = [...registered].filter(([id, index]) => now.get(id) !== index).map(([id]) => id);
    expect(written.filter((id) => !changed.has(id))).toEqual([]);
  });
  afterAll(() => rig.close(), 30_000);

  /** The pods of a group; the very first pod is not Ready, and a node is removed with all that is on it. */
  const some = Array.from({ length: GROUP }, (_, i) => GROUP + i).filter((pod) => pod % NODES !== REMOVED_NODE);

  /** What somebody else writes over instances of ours. */
  async function overwrite(port: number, change: object, pods: readonly number[] = some): Promise<void> {
    const rows = (await Promise.all([...new Set(pods.map((pod) => service(pod, port)))].map(instances))).flat();
    const write = (pod: number) => {
      const row = rows.find(({ Service }) => Service.ID === idOf(pod, port));
      changed.add(idOf(pod, port));
      return rig.consul.must('PUT', '/catalog/register', {
        Node: nodeName(pod),
        Address: row?.Node.Address,
        SkipNodeUpdate: true,
        Service: { ...row?.Service, ...change },
      });
    };
    await Promise.all(pods.map(write));
  }

  async function remove(port: number, pods: readonly number[] = some): Promise<void> {
    const removeOne = (pod: number) => {
      changed.add(idOf(pod, port));
      return rig.consul.must('PUT', '/catalog/deregister', { Node: nodeName(pod), ServiceID: idOf(pod, port) });
    };
    await Promise.all(pods.map(removeOne));
  }

  /** What callers see of the service of some pods at a port, one line an instance. */
  const seen = async (port: number, [pod = 0] = some) =>
    (await rig.consul.instances(service(pod, port)))
      .map(({ Service, Checks }) =>
        [Service.ID, Service.Address, Service.Port, Service.Tags, Checks.map(({ Status }) => Status)].join(' '),
      )
      .sort();

  async function expectRepaired(look: () => Promise<unknown>, spoil: () => Promise<unknown>): Promise<void> {
    const before = await look();
    await spoil();
    await untilEqual('all as it was', look, before, LIMIT_MS);
  }

  it.each([
    ['passing', 1, 'critical'],
    ['passing', 1, 'warning'],
    ['critical', 0, 'passing'],
    ['critical', 0, 'warning'],
  ])('corrects a check that should be %s (pod %i) and is %s', async (_, pod, Status) => {
    const id = idOf(pod, 9004);
    const Check = { Node: nodeName(pod), CheckID: id, ServiceID: id, Name: 'Kubernetes readiness', Status };
    const entry = { Node: nodeName(pod), Address: '192.0.2.1', SkipNodeUpdate: true, Check };
    await expectRepaired(
      () => seen(9004, [pod]),
      () => rig.consul.must('PUT', '/catalog/register', entry),
    );
  });

  /** What callers, or whoever looks at the node, see of what is spoilt, and how it is. */
  const SPOILT: readonly (readonly [string, () => Promise<unknown>, () => Promise<unknown>])[] = [
    ['instances that were removed', () => seen(9001), () => remove(9001)],
    ['what is in them', () => seen(9002), () => overwrite(9002, { Port: 1, Tags: ['theirs'] })],
    [
      'what tells whose they are, but for the mark',
      () => seen(9003),
      () => overwrite(9003, { Meta: { 'managed-by': 'consular', 'k8s-cluster': rig.cluster }, Tags: ['theirs'] }),
    ],
    ['the mark itself', () => seen(9005), () => overwrite(9005, { Meta: {}, Port: 1 })],
    [
      'a node that was removed, with all that was on it',
      async () => (await contents(REMOVED_NODE)).Services?.length,
      async () => {
        for (let pod = REMOVED_NODE; pod < PODS; pod += NODES) for (const port of PORTS) changed.add(idOf(pod, port));
        await rig.consul.must('PUT', '/catalog/deregister', { Node: nodeName(REMOVED_NODE) });
      },
    ],
    ['the address of a node, and writes nothing else', () => nodeRow(8), () => rewrite(8, { Address: '192.0.2.77' })],
    [
      'the meta of a node, and writes nothing else',
      () => nodeRow(9),
      () => rewrite(9, { NodeMeta: { 'external-source': 'theirs' } }),
    ],
  ];

  async function nodeRow(node: number) {
    const { Address, Meta } = (await contents(node)).Node;
    return { Address, Meta };
  }

  async function rewrite(node: number, { Address, NodeMeta }: { Address?: string; NodeMeta?: object }): Promise<void> {
    const row = await nodeRow(node);
    await rig.consul.must('PUT', '/catalog/register', {
      Node: nodeName(node),
      Address: Address ?? row.Address,
      NodeMeta: { ...row.Meta, ...NodeMeta },
    });
  }

  it('puts right again, together: ' + SPOILT.map(([what]) => what).join('; '), async () => {
    await Promise.all(SPOILT.map(([, look, spoil]) => expectRepaired(look, spoil)));
  });

  it('finds what is hidden behind its own commits', async () => {
    const { kubernetes, namespace } = rig;
    for (const port of PORTS) changed.add(idOf(105, port));
    let isDone = false;
    const busy = (async () => {
      for (let version = 1; !isDone; version++)
        await kubernetes.annotate(namespace, 'pod-105', { 'consular.dev/service-meta-version': String(version) });
    })();
    // On the node of that pod, and on another.
    const pods = [65, 66];
    try {
      await expectRepaired(
        () => seen(9006),
        () => remove(9006, pods),
      );
      await expectRepaired(
        () => seen(9007),
        () => overwrite(9007, { Port: 1 }, pods),
      );
    } finally {
      isDone = true;
      await busy;
    }
  });
});

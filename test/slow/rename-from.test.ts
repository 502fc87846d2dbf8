import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StillLed } from '../../src/commands/hold.ts';
import { dump, type Dump } from '../rig/dump.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { servicesIn } from '../rig/imports.ts';
import {
  nextPodIP,
  openRig,
  statusOf,
  until,
  untilIdle,
  type Daemon,
  type DaemonOptions,
  type Rig,
} from '../rig/index.ts';

const PODS = 12;

let rig: Rig;
let old: string;
let named: string;

beforeEach(async () => {
  rig = await openRig();
  const { kubernetes, consul, namespace } = rig;
  old = rig.cluster;
  named = `${old}-new`;
  for (const name of ['vm-a', 'vm-b', 'hidden']) await consul.registerOutside(name, '192.0.2.50');
  await servicesIn(kubernetes, namespace).create('taking', { 'consular.dev/import': 'hidden' });
  for (let i = 0; i < PODS; i++)
    await kubernetes.createPod(namespace, `orders-${i}`, {
      ...{ ip: nextPodIP(), node: `node-${i % 2}` },
      annotations: { 'consular.dev/service-name': 'orders', 'consular.dev/service-tags': 'blue' },
    });
}, 60_000);
afterEach(() => rig.close(), 60_000);

async function start(cluster: string, more: DaemonOptions = {}): Promise<Daemon> {
  const { namespace } = rig;
  return rig.startDaemon({
    ...{ cluster, besides: [], leaderElection: { enabled: true, namespace } },
    toConsul: { namespaces: { include: [namespace], exclude: [] } },
    toKubernetes: {
      namespaces: [namespace],
      importNamespaces: [namespace],
      services: { include: ['vm-*'], exclude: [] },
    },
    ...more,
  });
}

async function untilAll(daemon: Daemon): Promise<void> {
  await until('all pods', async () => (await rig.consul.instances('orders')).length === PODS);
  await until(
    'an import',
    async () => (await servicesIn(rig.kubernetes, rig.namespace).ourSlices('taking')).length > 0,
  );
  await untilIdle(daemon);
}

/** What the old one left. */
async function runOld(): Promise<Dump> {
  const daemon = await start(old);
  await untilAll(daemon);
  await daemon.stop();
  return dump(rig);
}

/** Every answer of a watch of the passing instances, as an application follows them. */
function follow(service: string) {
  const seen: string[][] = [];
  let isOver = false;
  const run = async () => {
    for (let index = ''; !isOver;) {
      const wait = index === '' ? '' : `&index=${index}&wait=500ms`;
      const answer = await rig.consul.call('GET', `/health/service/${service}?passing${wait}`);
      const rows = answer.body as { Service: { Address: string; Meta: Record<string, string> } }[];
      seen.push(rows.map(({ Service }) => Service.Address).sort());
      index = answer.index;
    }
  };
  const running = run();
  return {
    stop: async () => {
      isOver = true;
      await running;
      return seen;
    },
  };
}

/** Everything under the other name, as if nothing else had changed. */
const renamed = (entries: ReadonlyMap<string, unknown>) =>
  JSON.parse(
    JSON.stringify([...entries].map(([key, value]) => [key, value]))
      .replaceAll(`k8s-${old}`, `k8s-${named}`)
      .replaceAll(`"k8s-cluster":"${old}"`, `"k8s-cluster":"${named}"`)
      .replaceAll(`"consular.dev/cluster":"${old}"`, `"consular.dev/cluster":"${named}"`)
      .replaceAll(`${old}.${old}-apps`, `${named}.${old}-apps`)
      .replaceAll(`consular-${old}`, `consular-${named}`)
      .replaceAll(`consular/${old}/`, `consular/${named}/`)
      .replaceAll(`Kubernetes cluster ${old} `, `Kubernetes cluster ${named} `),
  ) as [string, unknown][];

const withoutLeaders = (entries: readonly [string, unknown][]) =>
  entries
    .filter(([key]) => !/^(leases|key) /.test(key))
    .map(([key, value]) => [key, JSON.stringify(value).replace(/"(CreateTime|generation)":[^,}]*,?/g, '')])
    .sort();

describe('a cluster that is renamed with --rename-from', () => {
  it('has everything under its new name, and whoever reads health sees each pod once at every moment', async () => {
    const before = await runOld();
    const readers = [follow('orders'), follow('consular')];
    const daemon = await start(named, { renameFrom: old });
    await untilAll(daemon);
    const [orders = [], own = []] = await Promise.all(readers.map((reader) => reader.stop()));
    const wanted = orders[0];
    expect(wanted).toHaveLength(PODS);
    expect(orders.length).toBeGreaterThan(2);
    expect(orders.filter((rows) => rows.join() !== wanted?.join())).toEqual([]);
    expect(own.filter(({ length }) => length !== 1)).toEqual([]);
    const after = await dump(rig);
    expect(withoutLeaders([...after.kubernetes])).toEqual(withoutLeaders(renamed(before.kubernetes)));
    expect(withoutLeaders([...after.consul])).toEqual(withoutLeaders(renamed(before.consul)));
    // Nothing of the old name is left, its key and Lease among it.
    const keys = [...after.consul.keys(), ...after.kubernetes.keys()];
    expect(keys.filter((key) => key.includes(`consular-${old}`) && !key.includes(named))).toEqual([]);
    expect(keys).not.toContain(`key consular/${old}/leader`);
    // With the option still there a restart does nothing.
    await daemon.stop();
    const index = await rig.consul.catalogIndex();
    const again = await start(named, { renameFrom: old });
    await untilAll(again);
    expect(await rig.consul.catalogIndex()).toBe(index);
  });

  it('goes on where it was interrupted', async () => {
    await runOld();
    const proxy = await FaultProxy.open(rig.consul.address, '');
    let sent = 0;
    proxy.transactionFault = () => (++sent > 1 ? { status: 500, text: 'not now' } : 'pass');
    const reader = follow('orders');
    const first = await start(named, { renameFrom: old, consulAddress: proxy.address, awaitStart: false });
    await until('an interruption', () => Promise.resolve(sent > 2));
    await first.stop();
    // Without the option it does not start: the rest would stay for ever.
    const without = await start(named, { awaitStart: false });
    await expect(without.started).rejects.toThrow(`"consular run --rename-from ${old}"`);
    await without.stop();
    const second = await start(named, { renameFrom: old });
    await untilAll(second);
    const seen = await reader.stop();
    expect(seen.filter((rows) => rows.join() !== seen[0]?.join())).toEqual([]);
    const nodes = [...(await dump(rig)).consul.keys()].filter((key) => key.includes(`k8s-${old}`));
    expect(nodes.filter((key) => !key.includes(named))).toEqual([]);
    await proxy.close();
  });

  it('waits while the old Lease says that writes are off, and writes nothing', async () => {
    await runOld();
    const path = `/apis/coordination.k8s.io/v1/namespaces/${rig.namespace}/leases/consular-${old}`;
    const annotate = (writes: string | null) =>
      rig.kubernetes.must('PATCH', path, { metadata: { annotations: { 'consular.dev/writes': writes } } });
    await annotate('off');
    const before = await rig.consul.catalogIndex();
    const daemon = await start(named, { renameFrom: old, awaitStart: false });
    await until('the reason', async () => JSON.stringify(await statusOf(daemon)).includes('writes to be on'));
    expect(await rig.consul.catalogIndex()).toBe(before);
    await annotate(null);
    await daemon.started;
    await untilAll(daemon);
    await daemon.stop();
  });

  it('takes along what a daemon with the old name made until it let go', async () => {
    const leader = await start(old);
    await untilAll(leader);
    const proxy = await FaultProxy.open(rig.consul.address, '');
    let open = () => undefined as void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    let reads = 0;
    proxy.readFault = (path) =>
      path.includes(`/kv/consular/${old}/leader`) && ++reads === 1 ? { held: opened } : 'pass';
    const daemon = await start(named, { renameFrom: old, consulAddress: proxy.address, awaitStart: false });
    await until('the read of the old fence', () => Promise.resolve(reads > 0));
    await rig.consul.registerOutside('vm-c', '192.0.2.51');
    const path = `/api/v1/namespaces/${rig.namespace}/services/vm-c`;
    await until('a Service more', async () => (await rig.kubernetes.find(path)) !== undefined);
    await untilIdle(leader);
    await leader.stop();
    open();
    await daemon.started;
    const service = await rig.kubernetes.find(path);
    expect(service?.metadata.labels?.['consular.dev/cluster']).toBe(named);
    await daemon.stop();
    await proxy.close();
  });

  it('that failed in Consul leaves nothing in Kubernetes that a daemon with the old name would take for those of others', async () => {
    await runOld();
    const proxy = await FaultProxy.open(rig.consul.address, '');
    proxy.transactionFault = ({ operations }) =>
      JSON.stringify(operations).includes(`k8s-${named}`) ? { status: 500, text: 'no' } : 'pass';
    const failing = await start(named, { renameFrom: old, consulAddress: proxy.address, awaitStart: false });
    await until('a try', () => Promise.resolve(proxy.transactions.length > 0));
    await failing.stop();
    await proxy.close();
    const labels = (await rig.kubernetes.list(`/api/v1/namespaces/${rig.namespace}/services`)).map(
      ({ metadata }) => metadata.labels?.['consular.dev/cluster'],
    );
    expect(labels).not.toContain(named);
    const again = await start(old);
    await untilAll(again);
    await again.stop();
  });

  it('refuses while a daemon with the old name leads, and touches nothing', async () => {
    const leader = await start(old);
    await untilAll(leader);
    const index = await rig.consul.catalogIndex();
    const daemon = await start(named, { renameFrom: old, awaitStart: false });
    await expect(daemon.started).rejects.toThrow(StillLed);
    expect(await rig.consul.catalogIndex()).toBe(index);
    await daemon.stop();
    await leader.stop();
  });

  it('leaves what others have on its nodes, another cluster that has the new name, and one that is meant to be beside it', async () => {
    const { consul } = rig;
    await runOld();
    const theirs = { Node: `k8s-${old}--node-0`, SkipNodeUpdate: true };
    const Service = { ID: 'theirs', Service: 'theirs', Address: '192.0.2.60', Port: 80 };
    await consul.must('PUT', '/catalog/register', { ...theirs, Service });
    const node = `k8s-${named}--elsewhere`;
    await consul.must('PUT', '/catalog/register', {
      ...{ Node: node, Address: '192.0.2.9' },
      NodeMeta: { 'managed-by': 'consular', 'k8s-cluster': named, 'k8s-cluster-uid': 'another' },
    });
    const index = await consul.catalogIndex();
    const refused = await start(named, { renameFrom: old, awaitStart: false });
    await expect(refused.started).rejects.toThrow(`${node} was registered for`);
    await refused.stop();
    expect(await consul.catalogIndex()).toBe(index);
    await consul.must('PUT', '/catalog/deregister', { Node: node });
    await expect(start(named, { renameFrom: old, besides: [old] })).rejects.toThrow('which "besides" lists');

    const daemon = await start(named, { renameFrom: old });
    await untilAll(daemon);
    const { consul: entries } = await dump(rig);
    const left = [...entries.keys()].filter((key) => key.includes(`k8s-${old}--`));
    expect(left.sort()).toEqual([`instance k8s-${old}--node-0/theirs`, `node k8s-${old}--node-0`]);
    expect(JSON.stringify(entries.get(`node k8s-${old}--node-0`))).not.toContain('managed-by');
    expect(daemon.records.filter(({ message }) => message.includes('stays, without the marks'))).toHaveLength(1);
  });
});

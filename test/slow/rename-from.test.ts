import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { StillLed } from '../../src/commands/hold.ts';
import { dump, type Dump } from '../rig/dump.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { servicesIn } from '../rig/imports.ts';
import { nextPodIP, openRig, until, untilIdle, type Daemon, type DaemonOptions, type Rig } from '../rig/index.ts';

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

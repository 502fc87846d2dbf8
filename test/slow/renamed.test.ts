import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterRenamedError } from '../../src/to-consul/identity/cluster-identity.ts';
import { commandLine } from '../rig/command-line.ts';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });
const OFF = { enabled: false };
const clusterOf = ({ Meta }: NodeRow) => Meta['k8s-cluster'];

interface NodeRow {
  readonly Node: string;
  readonly Meta: Record<string, string>;
}

describe('a cluster that has another name in the file', () => {
  let rig: Rig;
  let folder: string;
  let ip: string;
  let before: string;

  /** What an installation under the old name left, with a pod that it registered. */
  beforeAll(async () => {
    [rig, folder] = await Promise.all([openRig(), mkdtemp(join(tmpdir(), 'consular-renamed-'))]);
    const { kubernetes, consul, namespace } = rig;
    ip = nextPodIP();
    await kubernetes.createPod(namespace, 'old', { ip, annotations: named('orders') });
    await consul.registerOnAgent({ id: 'vm-1', name: 'vm', address: '192.0.2.80', port: 80 });
    const old = await rig.startDaemon();
    await untilEqual('registered', () => consul.summary('orders'), [`${ip}:8080 passing`]);
    await untilIdle(old);
    await old.stop();
    // Nothing of this may be done under the new name.
    await kubernetes.deletePod(namespace, 'old');
    await kubernetes.createPod(namespace, 'new', { annotations: named('orders') });
    before = await consul.catalogIndex();
  }, 60_000);
  afterAll(async () => {
    await rig.close();
    await rm(folder, { recursive: true });
  }, 30_000);

  const newName = () => `${rig.cluster}-new`;
  const served = () => rig.kubernetes.list(`/api/v1/namespaces/${rig.namespace}/services`);

  it.each([
    ['in both directions', {}],
    ['with toConsul switched off', { toConsul: OFF }],
    ['with toKubernetes switched off', { toKubernetes: OFF }],
    ['with --take-over, which is about another cluster', { takeOver: true }],
  ])('does not start %s, and touches nothing', async (_, options) => {
    const services = await served();
    const daemon = await rig.startDaemon({ cluster: newName(), besides: [], awaitStart: false, ...options });
    const error = await daemon.started.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(error).toBeInstanceOf(ClusterRenamedError);
    expect(String(error)).toContain(
      `is in Consul under the name "${rig.cluster}", on 2 nodes such as "k8s-${rig.cluster}`,
    );
    expect(String(error)).toContain(`"besides": [${rig.cluster}]`);
    expect((await fetch(`http://127.0.0.1:${daemon.port}/readyz`)).status).toBe(503);
    await daemon.stop();
    expect(await rig.consul.catalogIndex()).toBe(before);
    expect(await served()).toEqual(services);
  });

  it.each([
    ['plan', ['plan']],
    ['explain', ['explain', 'consul-service', 'orders']],
  ])('is told by %s in the same words', async (_, words) => {
    const file = join(folder, 'consular.yaml');
    const settings = { cluster: newName(), kubernetes: { kubeconfig: rig.kubeconfig } };
    await writeFile(file, JSON.stringify({ ...settings, consul: { address: rig.consul.address } }));
    const { status, stdout, stderr } = await commandLine()(...words, '--config', file);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      new RegExp(`^consular: cluster name "${newName()}": .* under the name "${rig.cluster}".*change it back`),
    );
  });

  it('goes on under the old name as if nothing had been', async () => {
    const daemon = await rig.startDaemon();
    await until('the new pod', async () => {
      const rows = await rig.consul.summary('orders');
      return rows.length === 1 && rows[0] !== `${ip}:8080 passing`;
    });
    await daemon.stop();
  });
});

describe('two installations in one Kubernetes cluster, each beside the other', () => {
  let rig: Rig;
  let names: readonly [a: string, b: string];
  let daemons: Daemon[];
  const start = async (cluster: string, namespace: string, more: { toConsul?: object; toKubernetes?: object } = {}) => {
    const daemon = await rig.startDaemon({
      ...{ cluster, besides: names.filter((other) => other !== cluster) },
      toConsul: { namespaces: { include: [namespace], exclude: [] }, ...more.toConsul },
      toKubernetes: { namespaces: [namespace], removalGrace: '0s', ...more.toKubernetes },
    });
    daemons.push(daemon);
    return daemon;
  };
  const endpoints = async (namespace: string, name: string) => {
    const found = await rig.kubernetes.find(`/api/v1/namespaces/${namespace}/endpoints/${name}`);
    const subsets = (found?.subsets ?? []) as { addresses: { ip: string }[] }[];
    return subsets.flatMap(({ addresses }) => addresses.map(({ ip }) => ip)).sort();
  };
  const clustersOf = async (service: string) =>
    (await rig.consul.instances(service)).map(({ Service }) => Service.Meta['k8s-cluster']);

  beforeEach(async () => {
    rig = await openRig();
    names = [`${rig.cluster}-a`, `${rig.cluster}-b`];
    daemons = [];
    for (const name of names) await rig.kubernetes.createNamespace(name);
  }, 60_000);
  afterEach(() => rig.close(), 30_000);

  it('with namespaces of their own serve these, and leave alone what the other made', async () => {
    const { kubernetes, consul } = rig;
    const [a, b] = names;
    await consul.registerOnAgent({ id: 'vm-1', name: 'vm', address: '192.0.2.80', port: 80 });
    const ips = [nextPodIP(), nextPodIP()] as const;
    await kubernetes.createPod(a, 'orders', { ip: ips[0], annotations: named('orders') });
    await kubernetes.createPod(b, 'orders', { ip: ips[1], annotations: named('orders') });
    await Promise.all([start(a, a), start(b, b)]);
    await untilEqual('both pods', () => consul.summary('orders'), ips.map((ip) => `${ip}:8080 passing`).sort());
    for (const namespace of names) await untilEqual('the machine', () => endpoints(namespace, 'vm'), ['192.0.2.80']);
    await Promise.all(daemons.map(untilIdle));
    // Neither mirrors what came out of Kubernetes through the other.
    for (const namespace of names) expect(await endpoints(namespace, 'orders')).toEqual([]);
    const nodes = (await consul.must('GET', '/catalog/nodes?node-meta=managed-by:consular')) as NodeRow[];
    expect([...new Set(nodes.map(clusterOf))].sort()).toEqual([...names]);
    await kubernetes.deletePod(a, 'orders');
    await untilEqual('the pod that stays', () => consul.summary('orders'), [`${ips[1]}:8080 passing`]);
    expect(await clustersOf('orders')).toEqual([b]);
  });

  it('that select the same pod register it once, and the second steps in when the instance of the first goes', async () => {
    const { kubernetes, consul } = rig;
    const [a, b] = names;
    await kubernetes.createPod(a, 'shared', { annotations: named('shared') });
    const first = await start(a, a, { toKubernetes: OFF });
    await until('registered', async () => (await clustersOf('shared')).length === 1);
    await untilIdle(first);
    const second = await start(b, a, { toKubernetes: OFF });
    await untilIdle(second);
    expect(await clustersOf('shared')).toEqual([a]);
    await until('the Event', async () =>
      (await kubernetes.eventsAbout(a, 'shared')).some(({ reason }) => reason === 'Duplicate'),
    );
    await first.stop();
    const [row] = await consul.instances('shared');
    await consul.deregisterFromCatalog({ node: row?.Node.Node ?? '', id: row?.Service.ID ?? '' });
    await untilEqual('that of the second', () => clustersOf('shared'), [b]);
    await untilIdle(await start(a, a, { toKubernetes: OFF }));
    expect(await clustersOf('shared')).toEqual([b]);
  });

  it('with otherClusters mirror what the other registered, and with one mirror namespace the first has the names', async () => {
    const { kubernetes, consul } = rig;
    const [a, b] = names;
    const ip = nextPodIP();
    await kubernetes.createPod(a, 'orders', { ip, annotations: named('orders') });
    await consul.registerOnAgent({ id: 'vm-1', name: 'vm', address: '192.0.2.80', port: 80 });
    await start(a, a, { toKubernetes: { namespaces: [a] } });
    await untilEqual('the machine', () => endpoints(a, 'vm'), ['192.0.2.80']);
    const second = await start(b, b, { toKubernetes: { namespaces: [a, b], otherClusters: true } });
    await untilEqual('the pod of the other', () => endpoints(b, 'orders'), [ip]);
    await until('the report', () =>
      Promise.resolve(
        second.records.some(({ reason, object }) => reason === 'NameConflict' && String(object).includes('vm')),
      ),
    );
    const vm = await kubernetes.find(`/api/v1/namespaces/${a}/services/vm`);
    expect(vm?.metadata.labels?.['consular.dev/cluster']).toBe(a);
    // What the second mirrored of the first's pods is no pod of anybody's.
    expect(await consul.summary('orders')).toEqual([`${ip}:8080 passing`]);
  });
});

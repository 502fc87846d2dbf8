import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commandLineOn, type CallConsular } from '../rig/command-line.ts';
import { differences, dump, type Dump } from '../rig/dump.ts';
import { servicesIn } from '../rig/imports.ts';
import { installWorkloadEntries } from '../rig/istio.ts';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });

let rig: Rig;
let second: string;
let consular: CallConsular;
let before: Dump;

beforeAll(async () => {
  rig = await openRig();
  second = `${rig.cluster}-b`;
  await installWorkloadEntries(rig.kubernetes);
  await rig.kubernetes.createNamespace(second);
  await placeBystanders();
  consular = commandLineOn(rig, {
    besides: [second],
    ...settings(rig.namespace),
    leaderElection: { namespace: rig.namespace },
  });
}, 60_000);
afterAll(() => rig.close(), 30_000);

function settings(namespace: string) {
  return {
    toConsul: { namespaces: { include: [namespace], exclude: [] } },
    toKubernetes: {
      namespaces: [namespace],
      importNamespaces: [namespace],
      services: { include: ['vm-*', 'taken', 'released', 'mesh'], exclude: [] },
    },
  };
}

const nodeOf = (name: string) => `k8s-${rig.cluster}--${name}`;
const idOf = (pod: string) => `${rig.cluster}.${rig.namespace}.${pod}:${pod}:8080`;
const marks = (cluster: string) => ({
  'external-source': 'kubernetes',
  'managed-by': 'consular',
  'k8s-cluster': cluster,
  'k8s-cluster-uid': `uid-of-${cluster}`,
});

/** What has nothing to do with this installation, however much it looks like it. */
async function placeBystanders(): Promise<void> {
  const { kubernetes, consul, namespace, cluster } = rig;
  for (const name of ['vm-a', 'taken', 'released', 'mesh', 'hidden']) await consul.registerOutside(name, '192.0.2.50');
  await consul.must('PUT', '/catalog/register', {
    ...{ Node: 'outside-mesh', Address: '192.0.2.50', SkipNodeUpdate: true },
    Service: { ID: 'mesh-80', Service: 'mesh', Address: '192.0.2.50', Port: 80, Tags: ['consular-mode=istio'] },
  });
  const register = (node: string, cluster: string, service: object) =>
    consul.must('PUT', '/catalog/register', {
      ...{ Node: node, Address: '192.0.2.9', NodeMeta: marks(cluster), Service: { Meta: marks(cluster), ...service } },
    });
  await register('k8s-other--node-1', 'other', { ID: 'other.shop.a:a:80', Service: 'a', Port: 80 });
  await register('k8s-other', 'other', { ID: 'consular-other', Service: 'consular', Port: 8080 });
  await consul.must('PUT', '/kv/consular/other/leader', { epoch: 7, holder: 'x', clusterUid: 'uid-of-other' });
  // Our form of an ID, on a node of somebody else's, and without our marks.
  const id = idOf('ghost');
  await consul.must('PUT', '/catalog/register', {
    ...{ Node: 'outside-ghost', Address: '192.0.2.51' },
    Service: { ID: id, Service: 'ghost', Address: '192.0.2.51', Port: 8080 },
  });
  const services = servicesIn(kubernetes, namespace);
  await services.create('taken', {});
  await services.create('taking', { 'consular.dev/import': 'hidden' });
  // Somebody who labels everything alike.
  await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
    metadata: { name: 'labelled', labels: { 'app.kubernetes.io/managed-by': 'consular' } },
    spec: { ports: [{ port: 80 }] },
  });
  await kubernetes.createPod(second, 'beside', { ip: nextPodIP(), annotations: named('beside') });
  await kubernetes.createPod(namespace, 'one', { ip: nextPodIP(), node: 'node-1', annotations: named('one') });
  await kubernetes.createPod(namespace, 'two', { ip: nextPodIP(), node: 'node-2', annotations: named('two') });
  const beside = await rig.startDaemon({ cluster: second, besides: [cluster], ...settings(second) });
  await until('the second installation', async () => (await consul.instances('beside')).length === 1);
  await untilIdle(beside);
  await beside.stop();
}

async function run(): Promise<void> {
  const { consul, namespace } = rig;
  const daemon = await rig.startDaemon({
    besides: [second],
    ...settings(namespace),
    leaderElection: { enabled: true, namespace },
  });
  for (const name of ['one', 'two']) await until(name, async () => (await consul.instances(name)).length === 1);
  const services = servicesIn(rig.kubernetes, namespace);
  await until('an import', async () => (await services.ourSlices('taking')).length === 1);
  for (const name of ['vm-a', 'released', 'mesh']) await until(`Service ${name}`, () => services.find(name));
  await untilIdle(daemon);
  await daemon.stop();
}

describe('consular purge', () => {
  it('shows with --dry-run what would go and removes nothing, and asks for the name of the cluster', async () => {
    before = await dump(rig);
    const none = await consular('purge', '--dry-run');
    expect(none).toMatchObject({ status: 0, stderr: '' });
    expect(none.stdout).toBe(`Purge of cluster ${rig.cluster}: nothing to remove.\n`);
    await run();
    const running = await dump(rig);
    const { status, stdout, stderr } = await consular('purge', '--dry-run', '--output', 'json');
    expect([status, stderr]).toEqual([2, '']);
    const { planned } = JSON.parse(stdout) as { planned: Record<string, { kind: string; object: string }[]> };
    expect(planned.toConsul).toEqual([
      { kind: 'ServiceInstance', object: `${nodeOf('node-1')}/${idOf('one')}` },
      { kind: 'Node', object: nodeOf('node-1') },
      { kind: 'ServiceInstance', object: `${nodeOf('node-2')}/${idOf('two')}` },
      { kind: 'Node', object: nodeOf('node-2') },
    ]);
    expect(planned.shared).toEqual([
      { kind: 'ServiceInstance', object: `k8s-${rig.cluster}/consular-${rig.cluster}` },
      { kind: 'Node', object: `k8s-${rig.cluster}` },
      { kind: 'Key', object: `consular/${rig.cluster}/leader` },
      { kind: 'Lease', object: `${rig.namespace}/consular-${rig.cluster}` },
    ]);
    expect(planned.toKubernetes?.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['WorkloadEntry', 'Service']));
    const unasked = await consular('purge');
    expect(unasked.status).toBe(1);
    expect(unasked.stderr).toContain(`expected --yes ${rig.cluster}, or a terminal to ask at`);
    const wrong = await consular('purge', '--yes', second);
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain(`--yes: expected ${rig.cluster}`);
    const off = commandLineOn(rig, {
      ...{ besides: [second], writes: 'off', leaderElection: { namespace: rig.namespace } },
      ...settings(rig.namespace),
    });
    const refused = await off('purge', '--yes', rig.cluster);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('writes are off, by setting writes');
    const seen = await off('purge', '--dry-run');
    expect([seen.status, seen.stdout.split('\n')[0]]).toEqual([
      2,
      'writes are off, by setting writes: nothing is removed',
    ]);
    expect(differences(running, await dump(rig))).toEqual([]);
  });

  it('leaves both systems as they were before, but for what somebody else took over', async () => {
    const { kubernetes, consul, namespace, cluster } = rig;
    await servicesIn(kubernetes, namespace).patch('released', {
      metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
    });
    await consul.must('PUT', '/catalog/register', {
      ...{ Node: nodeOf('node-2'), SkipNodeUpdate: true },
      Service: { ID: 'theirs', Service: 'theirs', Address: '192.0.2.60', Port: 80 },
    });
    // Somebody wrote over an instance of ours, and its marks are gone.
    await consul.must('PUT', '/catalog/register', {
      ...{ Node: nodeOf('node-2'), SkipNodeUpdate: true },
      Service: { ID: idOf('unmarked'), Service: 'unmarked', Address: '192.0.2.61', Port: 8080 },
    });
    const { status, stdout } = await consular('purge', '--yes', cluster);
    const after = await dump(rig);
    expect(differences(before, after)).toEqual([
      `services ${namespace}/released`,
      `instance ${nodeOf('node-2')}/${idOf('unmarked')}`,
      `instance ${nodeOf('node-2')}/theirs`,
      `node ${nodeOf('node-2')}`,
    ]);
    expect(status).toBe(1);
    expect(stdout).toContain(
      `! Node ${nodeOf('node-2')}: there are instances on it without Consular's marks: ${idOf('unmarked')}, theirs`,
    );
    for (const id of ['theirs', idOf('unmarked')]) await consul.deregisterFromCatalog({ node: nodeOf('node-2'), id });
    await servicesIn(kubernetes, namespace).remove('released');
    expect(await consular('purge', '--yes', cluster)).toMatchObject({ status: 0 });
    await untilEqual('both as they were', async () => differences(before, await dump(rig)), []);
    expect(await consular('purge', '--yes', cluster)).toMatchObject({
      ...{ status: 0, stdout: `Purge of cluster ${cluster}: nothing to remove.\n` },
    });
  });
});

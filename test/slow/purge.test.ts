import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeKubeconfig } from '../control-plane/kubernetes-credentials.ts';
import { commandLine, type Said } from '../rig/command-line.ts';
import { changed, differences, dump, type Dump } from '../rig/dump.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { readKubeconfig } from '../rig/manifests.ts';
import { nextPodIP, openRig, until, untilIdle, type Daemon, type Rig } from '../rig/index.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });

let rig: Rig;
let folder: string;
/** Before there was any Consular. */
let before: Dump;

beforeEach(async () => {
  [rig, folder] = await Promise.all([openRig({ acl: true }), mkdtemp(join(tmpdir(), 'consular-purge-'))]);
  const { kubernetes, consul, namespace } = rig;
  for (const name of ['vm-a', 'vm-b', 'vm-c']) await consul.registerOutside(name, '192.0.2.50');
  for (const [i, name] of ['one', 'two', 'three'].entries())
    await kubernetes.createPod(namespace, name, { ip: nextPodIP(), node: `node-${i % 2}`, annotations: named(name) });
  before = await dump(rig);
}, 60_000);
afterEach(async () => {
  await rig.close();
  await rm(folder, { recursive: true });
}, 60_000);

const settings = () => ({
  toConsul: { namespaces: { include: [rig.namespace], exclude: [] } },
  toKubernetes: { namespaces: [rig.namespace] },
});

async function start(): Promise<Daemon> {
  const daemon = await rig.startDaemon({ ...settings(), leaderElection: { enabled: true, namespace: rig.namespace } });
  for (const name of ['one', 'two', 'three'])
    await until(name, async () => (await rig.consul.instances(name)).length === 1);
  await untilIdle(daemon);
  return daemon;
}

async function startAndStop(): Promise<void> {
  await (await start()).stop();
}

interface Given {
  readonly kubeconfig?: string;
  readonly consulAddress?: string;
  readonly token?: string;
  readonly lease?: object;
}

/** The command with the rights of an administrator, unless it is given others. */
async function purge(words: readonly string[] = [], given: Given = {}): Promise<Said> {
  const { cluster, kubeconfig, consulServer, namespace } = rig;
  const file = join(folder, 'consular.json');
  await writeFile(file, JSON.stringify({ cluster, ...settings(), leaderElection: given.lease ?? { namespace } }));
  const call = commandLine({
    KUBECONFIG: given.kubeconfig ?? kubeconfig,
    CONSUL_HTTP_ADDR: given.consulAddress ?? consulServer.address,
    CONSUL_HTTP_TOKEN: given.token ?? consulServer.managementToken ?? '',
  });
  return call('purge', '--yes', cluster, ...words, '--config', file);
}

/** A kubeconfig of an account that may do that everywhere, and these in the namespace of the test. */
async function accountWith(everywhere: readonly object[], here: readonly object[]): Promise<string> {
  const { kubernetes, namespace, cluster, kubeconfig } = rig;
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const name = `${cluster}-purger`;
  await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } });
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  const bind = (kind: string) => ({
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
    subjects,
  });
  await kubernetes.must('POST', `${rbac}/clusterroles`, { metadata: { name }, rules: everywhere });
  await kubernetes.must('POST', `${rbac}/clusterrolebindings`, bind('ClusterRole'));
  await kubernetes.must('POST', `${rbac}/namespaces/${namespace}/roles`, { metadata: { name }, rules: here });
  await kubernetes.must('POST', `${rbac}/namespaces/${namespace}/rolebindings`, bind('Role'));
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const { status } = await kubernetes.must('POST', path, { spec: { expirationSeconds: 3600 } });
  const admin = readKubeconfig(kubeconfig);
  const [file, caFile] = [join(folder, 'kubeconfig'), join(folder, 'ca.crt')];
  await writeFile(caFile, admin.ca);
  await writeKubeconfig({ file, server: admin.server, caFile, token: (status as { token: string }).token });
  return file;
}

const lease = () => `leases ${rig.namespace}/consular-${rig.cluster}`;

describe('consular purge', () => {
  it.each([
    ['to-kubernetes', 'consul', 'kubernetes'],
    ['to-consul', 'kubernetes', 'consul'],
  ] as const)('%s leaves %s as it is, and what both share', async (direction, untouched, purged) => {
    await startAndStop();
    const running = await dump(rig);
    const { status, stdout } = await purge(['--direction', direction]);
    expect([status, stdout]).toEqual([0, expect.stringContaining('removed.\n')]);
    const after = await dump(rig);
    const { cluster } = rig;
    const shared = {
      consul: ['check', 'instance'].map((kind) => `${kind} k8s-${cluster}/consular-${cluster}`),
      kubernetes: [lease()],
    };
    const key = `key consular/${cluster}/leader`;
    expect(changed(running[untouched], after[untouched])).toEqual(untouched === 'consul' ? [key] : [lease()]);
    const left = purged === 'consul' ? [...shared.consul, key, `node k8s-${cluster}`] : shared.kubernetes;
    expect(changed(before[purged], after[purged])).toEqual(left);
    // And a daemon that is started again makes all of it again.
    await startAndStop();
    expect([...(await dump(rig))[purged].keys()].sort()).toEqual([...running[purged].keys()].sort());
  });

  it('refuses while a daemon without a right to the key leads by a Lease somewhere else', async () => {
    const proxy = await FaultProxy.open(rig.consulServer.address, rig.consulServer.managementToken ?? '');
    const denied = { status: 403, text: 'Permission denied: token lacks permission key:read' };
    proxy.readFault = (path) => (path.includes('/kv/consular/') ? denied : 'pass');
    const leaderElection = { enabled: true, namespace: rig.namespace };
    const daemon = await rig.startDaemon({ ...settings(), leaderElection, consulAddress: proxy.address });
    await until('one', async () => (await rig.consul.instances('one')).length === 1);
    await untilIdle(daemon);
    const had = await dump(rig);
    const said = await purge(['--yes', rig.cluster], { lease: { enabled: true, namespace: 'default' } });
    expect(said).toMatchObject({ status: 1, stderr: expect.stringContaining(`has the Lease ${rig.namespace}/`) });
    expect(changed(had.consul, (await dump(rig)).consul)).toEqual([]);
    await daemon.stop();
    await proxy.close();
  });

  it('refuses while a daemon leads, and says which one and how to stop it', async () => {
    const { namespace, cluster } = rig;
    const daemon = await start();
    const running = await dump(rig);
    const { status, stderr } = await purge();
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`hold the Lease ${namespace}/consular-${cluster}: \\S+ leads, and renews it`));
    const howToStop = `kubectl scale deployment consular --replicas=0 --namespace ${namespace}`;
    expect(stderr).toContain(howToStop);
    const look = await purge(['--dry-run']);
    expect(look.stdout).toMatch(
      new RegExp(`^note: \\S+ holds the Lease ${namespace}/consular-${cluster}, renewed at .* ${howToStop}$`, 'm'),
    );
    expect(differences(running, await dump(rig)).filter((key) => key !== lease())).toEqual([]);
    await daemon.stop();
  });

  it('takes the Lease of a leader that was killed, when it is over', async () => {
    const { kubernetes, namespace, cluster } = rig;
    await startAndStop();
    const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/consular-${cluster}`;
    await kubernetes.must('PATCH', path, { spec: { holderIdentity: 'killed', leaseDurationSeconds: 5 } });
    const { status, stderr } = await purge();
    expect(stderr).toContain('is held by killed: looking whether it is renewed');
    expect(status).toBe(0);
    expect(differences(before, await dump(rig))).toEqual([]);
  });

  it('says what it may neither see nor delete in Kubernetes, removes the rest, and goes on with the rights', async () => {
    const { namespace } = rig;
    await startAndStop();
    const may = (apiGroup: string, resources: readonly string[], verbs: readonly string[]) => ({
      ...{ apiGroups: [apiGroup], resources, verbs },
    });
    const kubeconfig = await accountWith(
      [
        may('', ['services', 'namespaces'], ['get', 'list', 'delete']),
        may('discovery.k8s.io', ['endpointslices'], ['get', 'list']),
        may('coordination.k8s.io', ['leases'], ['*']),
        may('networking.istio.io', ['workloadentries'], ['list']),
      ],
      [may('', ['endpoints'], ['get', 'list', 'delete'])],
    );
    const { status, stdout } = await purge([], { kubeconfig });
    expect(status).toBe(1);
    expect(stdout).toMatch(/! Endpoints in all namespaces: it could not be looked for: list Endpoints: .*403/);
    const after = await dump(rig);
    const mirrors = ['vm-a', 'vm-b', 'vm-c'].flatMap((name) => [
      `services ${namespace}/${name}`,
      `endpoints ${namespace}/${name}`,
    ]);
    expect(changed(before.kubernetes, after.kubernetes).filter((key) => mirrors.includes(key))).toEqual([]);
    expect(after.consul.has(`instance k8s-${rig.cluster}/consular-${rig.cluster}`)).toBe(true);
    expect(after.consul.has(`node k8s-${rig.cluster}--node-1`)).toBe(false);
    // Kubernetes itself removes the slices of a Service that is gone.
    expect(await purge()).toMatchObject({ status: 0 });
    await until('both as they were', async () => differences(before, await dump(rig)).length === 0);
  });

  it('costs a refusal of Consul only the instance that it is about, and says it', async () => {
    const { consul, cluster, namespace } = rig;
    await startAndStop();
    const Rules = [
      ...['node_prefix ""', 'service "one"', 'service "two"', 'service "consular"', 'key_prefix "consular/"'].map(
        (rule) => `${rule} { policy = "write" }`,
      ),
      'service_prefix "" { policy = "read" }',
    ].join('\n');
    await consul.must('PUT', '/acl/policy', { Name: 'some', Rules });
    const { SecretID } = (await consul.must('PUT', '/acl/token', { Policies: [{ Name: 'some' }] })) as {
      SecretID: string;
    };
    const { status, stdout } = await purge([], { token: SecretID });
    const id = `k8s-${cluster}--node-0/${cluster}.${namespace}.three:three:8080`;
    expect(status).toBe(1);
    expect(stdout).toMatch(new RegExp(`! ServiceInstance ${id}: .*Permission denied`));
    const after = await dump(rig);
    expect(changed(before.kubernetes, after.kubernetes)).toEqual([lease()]);
    expect(changed(before.consul, after.consul).filter((key) => key.startsWith('instance'))).toEqual([
      `instance k8s-${cluster}--node-0/${cluster}.${namespace}.three:three:8080`,
      `instance k8s-${cluster}/consular-${cluster}`,
    ]);
    expect(await purge()).toMatchObject({ status: 0 });
    expect(differences(before, await dump(rig))).toEqual([]);
  });

  it('says what a finalizer holds, and is done when that is gone', async () => {
    const { kubernetes, namespace } = rig;
    await startAndStop();
    const path = `/api/v1/namespaces/${namespace}/services/vm-a`;
    await kubernetes.must('PATCH', path, { metadata: { finalizers: ['example.com/held'] } });
    const { status, stdout } = await purge();
    expect(status).toBe(1);
    expect(stdout).toContain(`! Service ${namespace}/vm-a: it is being deleted, which its finalizers hold up`);
    expect(stdout).toMatch(
      /! ServiceInstance k8s-\S+, Node k8s-\S+, Key .*, Lease .*: it goes last, when all else is gone/,
    );
    await kubernetes.must('PATCH', path, { metadata: { finalizers: [] } });
    expect(await purge()).toMatchObject({ status: 0 });
    expect(differences(before, await dump(rig))).toEqual([]);
  });

  it('looks again at what changed since the plan, and at what became of a transaction whose answer was lost', async () => {
    const { consul, cluster } = rig;
    await startAndStop();
    const proxy = await FaultProxy.open(rig.consulServer.address, '');
    const node = `k8s-${cluster}--node-0`;
    let seen = 0;
    proxy.transactionFault = async () => {
      if (seen++ === 0) {
        // Between the read and the removal: the index moves, and the marks stay.
        const { Service } = (await consul.instances('one'))[0] ?? {};
        const { CreateIndex: _, ModifyIndex: __, ...body } = { CreateIndex: 0, ModifyIndex: 0, ...Service };
        await consul.must('PUT', '/catalog/register', {
          ...{ Node: node, SkipNodeUpdate: true, Service: { ...body, Tags: ['changed'] } },
        });
        return 'pass';
      }
      return seen === 3 ? { lose: Promise.resolve() } : 'pass';
    };
    const { status } = await purge([], { consulAddress: proxy.address });
    await proxy.close();
    expect(status).toBe(0);
    expect(seen).toBeGreaterThan(3);
    expect(differences(before, await dump(rig))).toEqual([]);
    expect(await consul.instances('one')).toEqual([]);
  });

  it('goes on without a Lease when its namespace is gone, and never by another Lease than that of the fence', async () => {
    const { cluster, namespace } = rig;
    await startAndStop();
    const wrong = await purge([], { lease: { namespace: 'default' } });
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain(`it is ${namespace}/consular-${cluster}. Say so with leaderElection`);
    await rig.kubernetes.must(
      'DELETE',
      `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/consular-${cluster}`,
    );
    const gone = await purge([], { lease: { namespace: `${cluster}-gone` } });
    expect(gone.stderr).toContain(`there is no namespace ${cluster}-gone, so nobody leads by a Lease there`);
    expect(gone.status).toBe(0);
    expect(differences(before, await dump(rig))).toEqual([]);
  });

  it("touches nothing under a name that is another cluster's in Consul", async () => {
    const { consul, cluster } = rig;
    await startAndStop();
    await consul.must('PUT', '/catalog/register', {
      ...{ Node: `k8s-${cluster}--elsewhere`, Address: '192.0.2.9' },
      NodeMeta: { 'managed-by': 'consular', 'k8s-cluster': cluster, 'k8s-cluster-uid': 'another' },
    });
    const running = await dump(rig);
    const { status, stderr } = await purge();
    expect([status, stderr]).toEqual([1, expect.stringContaining(`k8s-${cluster}--elsewhere was registered for`)]);
    expect(differences(running, await dump(rig))).toEqual([]);
  });
});

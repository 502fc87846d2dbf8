import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { commandLine } from '../rig/command-line.ts';
import { diagnose } from '../rig/doctor.ts';
import { servicesIn } from '../rig/imports.ts';
import {
  nextPodIP,
  openRig,
  QUICK_ENTRY,
  statusOf,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type DaemonOptions,
  type Rig,
} from '../rig/index.ts';
import { MANIFESTS, render, ROOT } from '../rig/manifests.ts';
import { grantIn, isAllowed, openStage, revokeIn, rightsOf, type ApiServer, type Stage } from '../rig/rights.ts';

/** A Consular with the rights of deploy/tenant, which are none to the whole cluster, in two namespaces. */
const objects = render(join(ROOT, 'deploy/tenant'));
const watching = render(join(MANIFESTS, 'watched-namespace'));

let rig: Rig;
let server: ApiServer;
let stage: Stage;
let options: DaemonOptions;
/** The second of the two. */
let more: string;
const started: Daemon[] = [];

beforeAll(async () => {
  rig = await openRig({ acl: true });
  server = { api: rig.kubernetes, kubeconfig: rig.kubeconfig };
  stage = await openStage({ rig, server, objects });
  more = `${stage.namespace}-more`;
  await rig.kubernetes.createNamespace(more);
  await grantIn(more, server, watching, stage);
  options = {
    ...stage.options,
    kubernetes: { identityNamespace: stage.namespace },
    toConsul: { watch: 'namespaces', namespaces: { include: [stage.namespace, more], exclude: [] } },
    toKubernetes: { ...stage.options.toKubernetes, importNamespaces: [] },
    timings: { ...stage.options.timings, entryPace: QUICK_ENTRY },
    awaitStart: true,
  };
}, 60_000);
afterEach(() => Promise.all(started.splice(0).map((daemon) => daemon.stop())));
afterAll(async () => {
  await stage.close();
  await rig.close();
}, 30_000);

async function start(given: DaemonOptions): Promise<Daemon> {
  const daemon = await rig.startDaemon(given);
  started.push(daemon);
  return daemon;
}
/** `consular doctor` with the same. */
async function examine() {
  const { cluster, kubeconfig, toConsul, toKubernetes, token = '', leaderElection } = options;
  const folder = await mkdtemp(join(tmpdir(), 'consular-tenants-'));
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, token);
  const kubernetes = { kubeconfig, ...options.kubernetes };
  const consul = { address: rig.consulServer.address, tokenFile };
  try {
    return await diagnose({ cluster, leaderElection, kubernetes, toConsul, toKubernetes, consul });
  } finally {
    await rm(folder, { recursive: true });
  }
}
/** `consular plan` with the configuration and the rights of the daemons. */
async function plan() {
  const { cluster, kubeconfig, toConsul, toKubernetes, token = '' } = options;
  const folder = await mkdtemp(join(tmpdir(), 'consular-tenants-'));
  const file = join(folder, 'consular.json');
  const kubernetes = { kubeconfig, ...options.kubernetes };
  await writeFile(file, JSON.stringify({ cluster, kubernetes, toConsul, toKubernetes }));
  try {
    const environment = { CONSUL_HTTP_ADDR: rig.consulServer.address, CONSUL_HTTP_TOKEN: token };
    return await commandLine(environment)('plan', '--config', file);
  } finally {
    await rm(folder, { recursive: true });
  }
}
const readiness = async ({ port }: Daemon) => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;
const closedOf = async (daemon: Daemon) =>
  Object.keys((await statusOf(daemon)).toConsul?.closedNamespaces ?? { unknown: '' });

function createPod(namespace: string, name: string, labels: Record<string, string> = {}): Promise<unknown> {
  const annotations = { 'consular.dev/service-name': stage.name(name) };
  return rig.kubernetes.createPod(namespace, name, { ip: nextPodIP(), annotations, labels });
}
const untilThere = (name: string, count = 1) =>
  untilEqual(name, async () => (await rig.consul.instances(stage.name(name))).length, count);

it('needs no right to the whole cluster, and may get no namespace but that of its identity', async () => {
  expect(rightsOf(objects).filter(({ clusterWide }) => clusterWide)).toEqual([]);
  const right = { verb: 'get', resource: 'namespaces', apiGroup: '' };
  const account = { namespace: stage.namespace, name: 'consular' };
  const mayGet = (resourceName: string) => isAllowed(rig.kubernetes, account, { ...right, resourceName }, resourceName);
  const names = [stage.namespace, more, 'default', 'kube-system'];
  expect(await Promise.all(names.map((name) => mayGet(name)))).toEqual([true, false, false, false]);
});

it('does both directions with the rights of the manifests, in each namespace that the settings name and in no other', async () => {
  const { kubernetes, consul } = rig;
  const daemon = await start(options);
  await Promise.all([
    createPod(stage.namespace, 'here', { 'topology.kubernetes.io/zone': 'zone-a' }),
    createPod(more, 'there'),
    createPod(more, 'goes'),
    createPod(rig.namespace, 'elsewhere'),
    kubernetes.createPod(more, 'wrong', { annotations: { 'consular.dev/service-weight': 'heavy' } }),
    consul.registerOnAgent({ id: 'vm', name: stage.name('vm'), address: '192.0.2.50', port: 9098 }),
  ]);
  await Promise.all(['here', 'there', 'goes'].map((name) => untilThere(name)));
  const [here] = await consul.instances(stage.name('here'));
  expect(here?.Node.Address).toBe('192.0.2.11');
  expect(here?.Service.Meta).toMatchObject({ zone: 'zone-a' });
  const services = servicesIn(kubernetes, stage.namespace);
  await untilEqual('the mirrored Service', () => services.endpoints(stage.name('vm')), [
    '+alias=192.0.2.50:9098',
    '+main=192.0.2.50:9098',
  ]);
  await until('the Event', async () => (await kubernetes.eventsAbout(more, 'wrong')).length > 0);
  await kubernetes.deletePod(more, 'goes');
  await untilThere('goes', 0);
  await untilIdle(daemon);
  expect(await consul.instances(stage.name('elsewhere'))).toEqual([]);
  expect([await readiness(daemon), await closedOf(daemon)]).toEqual([200, []]);
  const doctor = await examine();
  const wrong = doctor.findings.filter(({ level }) => level === 'error');
  expect(wrong).toEqual([]);
  expect(doctor.of('consul.right', `service "${stage.name('there')}" write`)[0]?.level).toBe('ok');
  expect(doctor.of('kubernetes.namespace', more)[0]?.level).toBe('ok');
});

it('stands still in a namespace whose rights are taken away, and there alone, until it has them again', async () => {
  const { kubernetes, consul } = rig;
  await revokeIn(more, server, watching, stage);
  await kubernetes.deletePod(more, 'there');
  const daemon = await start(options);
  await untilEqual('what is closed', () => closedOf(daemon), [more]);
  await createPod(stage.namespace, 'later');
  await untilThere('later');
  await kubernetes.deletePod(stage.namespace, 'here');
  await untilThere('here', 0);
  await until("a warning in Consular's own entry", async () => {
    const entries = await consul.instances('consular');
    return entries.some(({ Checks }) =>
      Checks.some(({ Output }) => Output.includes(`Namespace ${more}: it may not be read`)),
    );
  });
  expect(await readiness(daemon)).toBe(200);
  const { stdout } = await plan();
  expect(stdout).toContain(`! Namespace ${more}: it may not be read: what is registered from there stays as it is`);
  expect(stdout).not.toContain('- remove');
  expect(await consul.instances(stage.name('there'))).toHaveLength(1);
  const missing = (await examine()).findings.filter(({ level }) => level === 'error');
  expect(new Set(missing.map(({ fix }) => /namespace: (.*)/.exec(fix ?? '')?.[1]))).toEqual(new Set([more]));
  await createPod(more, 'new');
  await grantIn(more, server, watching, stage);
  await untilThere('new');
  await untilThere('there', 0);
  await untilEqual('what is closed', () => closedOf(daemon), []);
}, 90_000);

it('lets go what is in a namespace that is not in the settings any more', async () => {
  await untilThere('new');
  await start({
    ...options,
    toConsul: { watch: 'namespaces', namespaces: { include: [stage.namespace], exclude: [] } },
  });
  await untilThere('new', 0);
  await untilThere('later');
});

it('finds what another way to read left, as long as the identity is the same, and else does not start', async () => {
  const { cluster, namespace, kubernetes, consul } = rig;
  await kubernetes.createPod(namespace, 'kept', { annotations: { 'consular.dev/service-name': 'kept' } });
  const whole = { cluster, toKubernetes: { enabled: false } };
  const few = { ...whole, toConsul: { watch: 'namespaces', namespaces: { include: [namespace], exclude: [] } } };
  const first = await rig.startDaemon(whole);
  await untilEqual('kept', async () => (await consul.instances('kept')).length, 1);
  await untilIdle(first);
  await first.stop();
  const before = await consul.catalogIndex();
  const second = await rig.startDaemon(few);
  await untilIdle(second);
  await second.stop();
  expect(await consul.catalogIndex()).toBe(before);
  const other = { ...few, kubernetes: { identityNamespace: namespace } };
  const third = await start({ ...other, awaitStart: false });
  await expect(third.started).rejects.toThrow('before kubernetes.identityNamespace was changed');
  await third.stop();
  expect(await consul.catalogIndex()).toBe(before);
  const fourth = await start({ ...other, takeOver: true });
  await untilIdle(fourth);
  expect(await consul.instances('kept')).toHaveLength(1);
});

it('registers the pods that the selector selects, and lets go those that lose its labels, also while it is stopped', async () => {
  const { namespace, kubernetes, consul } = rig;
  const chosen = (name: string, labels: Record<string, string | null>) =>
    kubernetes.must('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}`, { metadata: { labels } });
  const summary = async () => {
    const instances = await consul.instances('chosen');
    return instances.map(({ Service }) => Service.Meta?.['k8s-pod']).sort();
  };
  const selecting: DaemonOptions = {
    cluster: `${rig.cluster}-sel`,
    toConsul: {
      namespaces: { include: [namespace], exclude: [] },
      selector: 'tier in (web, api), !legacy',
    },
    toKubernetes: { enabled: false },
  };
  const annotations = { 'consular.dev/service-name': 'chosen' };
  const [a, b, c] = ['chosen-a', 'chosen-b', 'chosen-c'] as const;
  await Promise.all([
    kubernetes.createPod(namespace, a, { ip: nextPodIP(), annotations, labels: { tier: 'web' } }),
    kubernetes.createPod(namespace, b, { ip: nextPodIP(), annotations, labels: { tier: 'api', legacy: 'true' } }),
    kubernetes.createPod(namespace, c, { ip: nextPodIP(), annotations }),
  ]);
  const first = await start(selecting);
  await untilEqual('the one', summary, [a]);
  await untilIdle(first);
  await chosen(b, { legacy: null });
  await untilEqual('two', summary, [a, b]);
  await chosen(a, { tier: 'db' });
  await untilEqual('the other', summary, [b]);
  await chosen(a, { tier: 'web' });
  await untilEqual('both again', summary, [a, b]);
  await first.stop();
  await Promise.all([chosen(a, { tier: null }), chosen(b, { legacy: 'true' }), chosen(c, { tier: 'api' })]);
  const second = await start(selecting);
  await untilEqual('the third', summary, [c]);
  await untilIdle(second);
  expect(second.records.filter(({ message }) => message === 'instance without its object, deregistering')).toHaveLength(
    2,
  );
});

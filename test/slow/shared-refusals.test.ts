import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { commandLine, type CallConsular } from '../rig/command-line.ts';
import { openRig, QUICK_ENTRY, statusOf, until, untilEqual, type Daemon, type Rig } from '../rig/index.ts';
import { MANIFESTS, render } from '../rig/manifests.ts';
import { Mirrored } from '../rig/mirrored.ts';
import { openStage, type Stage } from '../rig/rights.ts';

/** What is refused to all services alike is found once: the log and Consular's own entry do not grow with their number. */

const COUNT = 40;
const NAMES = Array.from({ length: COUNT }, (_, i) => `many-${String(i).padStart(2, '0')}`);
let rig: Rig;
let run: RunDirectory;
let stage: Stage | undefined;

beforeAll(async () => {
  rig = await openRig({ acl: true });
  run = await openRunDirectory('shared-refusals');
  for (const name of NAMES) await rig.consul.registerOutside(name, '192.0.2.61');
}, 60_000);
afterEach(async () => {
  await stage?.close();
  stage = undefined;
}, 30_000);
afterAll(async () => {
  await rig.close();
  await run.close();
}, 30_000);

const timings = { entryPace: QUICK_ENTRY };
const start = (namespaces: readonly string[]) =>
  rig.startDaemon({ timings, toKubernetes: { namespaces, removalGrace: '0s' } });
const told = ({ records }: Daemon) =>
  records.filter(({ message }) => message === 'rejected').map(({ object, why }) => `${String(object)}: ${String(why)}`);
/** Each service was tried, and all that is wrong is one thing. */
async function untilOne(daemon: Daemon, failing: number): Promise<void> {
  await until('each of them tried, and one thing that is wrong', async () => {
    const { toKubernetes } = await statusOf(daemon);
    return toKubernetes?.rejected === 1 && Object.keys(toKubernetes.failing).length === failing;
  });
}
/** Failures of keys, which the log gathers: as many as there are kinds of them, and not as there are services. */
const loud = ({ records }: Daemon) => records.filter(({ level }) => level === 'warn' || level === 'error').length;
const entrySays = (text: string, cluster = rig.cluster) =>
  until('a warning in the UI', async () => {
    const entry = (await rig.consul.instances('consular')).find(({ Node }) => Node.Node === `k8s-${cluster}`);
    const check = entry?.Checks.find(({ ServiceID }) => ServiceID !== '');
    return check?.Status === 'warning' && check.Output.includes(text);
  });
const consular: CallConsular = (...args) =>
  commandLine({ KUBECONFIG: rig.kubeconfig, CONSUL_HTTP_ADDR: rig.consulServer.address })(...args);
async function configOf(namespaces: readonly string[]): Promise<string> {
  const [file, tokenFile] = [join(run.path, 'consular.json'), join(run.path, 'token')];
  await writeFile(tokenFile, rig.consulServer.managementToken ?? '');
  const { cluster } = rig;
  const settings = { cluster, consul: { tokenFile }, toConsul: { enabled: false }, toKubernetes: { namespaces } };
  await writeFile(file, JSON.stringify(settings));
  return file;
}
const plan = async (namespaces: readonly string[]) => consular('plan', '--config', await configOf(namespaces));
const reasonsOn = async (namespace: string) =>
  (await rig.kubernetes.eventsAbout(namespace, namespace)).map(({ reason }) => reason);

it('a namespace that does not exist is one line of run, plan and explain, and nothing is planned for it', async () => {
  const { namespace } = rig;
  const typo = `${namespace}-typo`;
  const daemon = await start([typo]);
  const why = `nothing is written into namespace ${typo}, and nothing removed: there is no such namespace`;
  await untilOne(daemon, 0);
  await entrySays(why);
  expect([told(daemon), loud(daemon)]).toEqual([[`Namespace ${typo}: ${why}`], 1]);
  await daemon.stop();
  const planned = await plan([typo]);
  expect(planned.stdout).toContain('Plan: 0 to create, 0 to update, 0 to remove, 1 rejected.');
  expect(planned.stdout).toContain(`! Namespace ${typo}: nothing is planned for it: there is no such namespace`);
  const explained = await consular('explain', 'consul-service', NAMES[0] ?? '', '--config', await configOf([typo]));
  expect(explained.stdout).toContain(`! Namespace ${typo}: NamespaceClosed: nothing is planned for it`);
});

it('a quota that is used up is one line and one Event, and all are mirrored when there is room', async () => {
  const { kubernetes, namespace } = rig;
  const full = `${namespace}-full`;
  await kubernetes.createNamespace(full);
  const quotas = `/api/v1/namespaces/${full}/resourcequotas`;
  await kubernetes.must('POST', quotas, { metadata: { name: 'small' }, spec: { hard: { services: '2' } } });
  // As its controller does, which does not run here.
  const setQuota = (services: string) =>
    kubernetes.must('PATCH', `${quotas}/small/status`, { status: { hard: { services }, used: { services: '0' } } });
  await setQuota('2');
  const said = `Namespace ${full}: quota small has room for 2 more of services (0 of 2 are used), and ${COUNT} are to be created: the others are refused`;
  expect((await plan([full])).stdout.split('\n').filter((line) => line.startsWith('  ! '))).toEqual([`  ! ${said}`]);
  const daemon = await start([full]);
  const mirrored = new Mirrored(rig, full);
  await untilEqual('as many as may be', async () => (await mirrored.names()).length, 2);
  await untilOne(daemon, COUNT - 2);
  const why = 'create Service: exceeded quota: small, requested: services=1, limited: services=2';
  await entrySays(why);
  expect(told(daemon)).toEqual([expect.stringMatching(`^Namespace ${full}: .*${why}$`)]);
  expect(loud(daemon)).toBeLessThan(10);
  await untilEqual('an Event on the namespace', () => reasonsOn(full), ['WriteRefused']);
  const [name = ''] = Object.keys((await statusOf(daemon)).toKubernetes?.failing ?? {});
  const explained = await consular('explain', 'consul-service', name, '--config', await configOf([full]));
  expect(explained.stdout).toContain(
    'WriteRefused: quota small has room for 0 more of services (2 of 2 are used), and 1',
  );
  await setQuota('100');
  await untilEqual('all of them', async () => (await mirrored.names()).length, COUNT);
  await until('nothing wrong', async () => (await statusOf(daemon)).toKubernetes?.rejected === 0);
  await daemon.stop();
});

it('a namespace that is being deleted is one line', async () => {
  const { kubernetes, namespace } = rig;
  const going = `${namespace}-going`;
  await kubernetes.createNamespace(going);
  const held = `/api/v1/namespaces/${going}/configmaps`;
  await kubernetes.must('POST', held, { metadata: { name: 'held', finalizers: ['example.com/held'] } });
  await kubernetes.must('DELETE', `/api/v1/namespaces/${going}`);
  const daemon = await start([going]);
  await untilOne(daemon, 0);
  expect([told(daemon), loud(daemon)]).toEqual([
    [expect.stringMatching(`namespace ${going}, .*: it is being deleted$`)],
    1,
  ]);
  await kubernetes.must('PATCH', `${held}/held`, { metadata: { finalizers: null } });
  await daemon.stop();
});

describe('without a right', () => {
  const objects = render(MANIFESTS);
  const server = () => ({ api: rig.kubernetes, kubeconfig: rig.kubeconfig });

  it('to make one kind of objects it is one line and one Event', async () => {
    stage = await openStage({
      rig,
      server: server(),
      objects,
      without: 'create endpointslices.discovery.k8s.io',
      timings,
    });
    const names = NAMES.slice(0, 10).map((name) => stage?.name(name) ?? '');
    for (const name of names) await rig.consul.registerOutside(name, '192.0.2.61');
    const daemon = await stage.start();
    const { namespace } = stage;
    await untilOne(daemon, names.length);
    const why = 'there is no right to create endpointslices.*: apply the Role in deploy/kubernetes/mirror-namespace';
    expect(told(daemon)).toEqual([expect.stringMatching(`^Namespace ${namespace}: .*${why}`)]);
    await untilEqual('an Event on the namespace', () => reasonsOn(namespace), ['WriteRefused']);
  });

  it('to look at the Namespace one that does not exist is one line all the same', async () => {
    stage = await openStage({ rig, server: server(), objects, timings });
    const { kubernetes } = rig;
    const { cluster, namespace } = stage;
    // Rights in every namespace, but for those to look at Namespaces.
    const rules = [
      { apiGroups: [''], resources: ['services', 'endpoints'], verbs: ['*'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['*'] },
    ];
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const name = `everywhere-${cluster}`;
    await kubernetes.must('POST', `${rbac}/clusterroles`, { metadata: { name }, rules });
    await kubernetes.must('POST', `${rbac}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: 'consular', namespace }],
    });
    const typo = `${cluster}-typo`;
    const names = NAMES.slice(0, 10).map((suffix) => stage?.name(suffix) ?? '');
    for (const service of names) await rig.consul.registerOutside(service, '192.0.2.61');
    const { toKubernetes, ...options } = stage.options;
    const daemon = await rig.startDaemon({
      ...options,
      toKubernetes: { ...toKubernetes, namespaces: [typo] },
      awaitStart: true,
    });
    await untilOne(daemon, names.length);
    expect(told(daemon)).toEqual([expect.stringMatching(`^Namespace ${typo}: .*: there is no such namespace$`)]);
    expect(loud(daemon)).toBeLessThan(10);
    await daemon.stop();
    for (const kind of ['clusterroles', 'clusterrolebindings'])
      await kubernetes.must('DELETE', `${rbac}/${kind}/${name}`);
  });
});

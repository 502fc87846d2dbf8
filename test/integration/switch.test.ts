import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLineOn } from '../rig/command-line.ts';
import {
  nextPodIP,
  openRig,
  QUICK_ENTRY,
  statusOf,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type Rig,
} from '../rig/index.ts';

const ELECTION = { leaseMs: 3000, renewMs: 2000, retryMs: 400 };
const ANNOTATION = 'consular.dev/writes';

let rig: Rig;
let folder: string;
let file: string;
const running: Daemon[] = [];

beforeAll(async () => {
  rig = await openRig();
  folder = await mkdtemp(join(tmpdir(), 'consular-switch-'));
  file = join(folder, 'consular.yaml');
}, 60_000);
afterEach(async () => {
  for (const daemon of running.splice(0)) await daemon.stop();
});
afterAll(async () => {
  await rig.close();
  await rm(folder, { recursive: true });
}, 30_000);

async function start(options: Parameters<Rig['startDaemon']>[0] = {}): Promise<Daemon> {
  const timings = { entryPace: QUICK_ENTRY, election: ELECTION };
  const daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' }, ...options, timings });
  running.push(daemon);
  return daemon;
}

/** Changes the settings as a ConfigMap does: the file is another one, at once. */
async function configure(change: (settings: Record<string, object | string>) => void): Promise<void> {
  const settings = JSON.parse(await readFile(file, 'utf8')) as Record<string, object | string>;
  change(settings);
  await replaceFile(JSON.stringify(settings));
}

async function replaceFile(text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

async function createPod(name: string, options: object = {}): Promise<string> {
  const ip = nextPodIP();
  const annotations = { 'consular.dev/service-name': name };
  await rig.kubernetes.createPod(rig.namespace, name, { ip, annotations, ...options });
  return `${ip}:8080 passing`;
}

const untilIs = (daemon: Daemon, enabled: boolean) =>
  until(`writes that are ${enabled ? 'on' : 'off'}`, async () => (await statusOf(daemon)).writes.enabled === enabled);

const findService = (name: string) => rig.kubernetes.find(`/api/v1/namespaces/${rig.namespace}/services/${name}`);

/** Everything that is written to either system moves one of these. */
async function state(): Promise<object> {
  const { consul, kubernetes, namespace } = rig;
  const dump = async (path: string) => (await kubernetes.list(path)).map(({ metadata }) => metadata);
  const nodes = (await consul.must('GET', '/catalog/nodes')) as { Node: string }[];
  return {
    nodes: await Promise.all(nodes.map(({ Node }) => consul.must('GET', `/catalog/node/${Node}`))),
    checks: await consul.must('GET', '/health/state/any'),
    keys: await consul.must('GET', '/kv/consular?recurse'),
    services: await dump(`/api/v1/namespaces/${namespace}/services`),
    slices: await dump(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`),
    endpoints: await dump(`/api/v1/namespaces/${namespace}/endpoints`),
    events: await dump(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`),
  };
}

async function ownOutput(): Promise<string> {
  const checks = (await rig.consul.must('GET', '/health/checks/consular')) as { Output: string }[];
  return checks.map(({ Output }) => Output).join();
}

describe('writes that are off', () => {
  it('by the file: the own entry says it, then nothing is written in either system, all is planned, and all is written when they are on', async () => {
    const daemon = await start({ file });
    const kept = await createPod('switch-kept');
    const going = await createPod('switch-going');
    await rig.consul.registerOutside('switch-vm', '198.51.100.1');
    await untilEqual('what was there before', () => rig.consul.summary('switch-going'), [going]);
    await until('a mirrored Service', () => findService('switch-vm'));
    await untilIdle(daemon);

    await configure((settings) => (settings.writes = 'off'));
    await untilIs(daemon, false);
    await until('an entry that says so', async () => (await ownOutput()).includes('writes are off since'));
    expect(await ownOutput()).toContain(`by setting writes in ${file}`);
    expect((await statusOf(daemon)).writes.by).toEqual([`setting writes in ${file}`]);

    const coming = await createPod('switch-coming');
    await rig.kubernetes.createPod(rig.namespace, 'switch-wrong', {
      ip: nextPodIP(),
      annotations: { 'consular.dev/service-name': 'not a name!' },
    });
    await rig.kubernetes.deletePod(rig.namespace, 'switch-going');
    await rig.consul.registerOutside('switch-vm', '198.51.100.2', 81);
    await rig.consul.registerOutside('switch-new', '198.51.100.3');
    await until('what waits', async () => {
      const { toConsul, toKubernetes, ready } = await statusOf(daemon);
      const isPlanned = (toConsul?.unwritten ?? 0) >= 2 && (toKubernetes?.unwritten ?? 0) >= 2;
      return ready && isPlanned && toConsul?.rejected === 1 && Object.keys(toConsul.failing).length === 0;
    });
    const before = await state();
    const planned = async () =>
      (await daemon.metrics.reconciles.get()).values.find(({ labels }) => labels.outcome === 'off')?.value ?? 0;
    const earlier = await planned();
    await rig.kubernetes.annotate(rig.namespace, 'switch-coming', { 'consular.dev/service-tags': 'late' });
    await until('another plan', async () => (await planned()) > earlier);
    expect(await state()).toEqual(before);
    expect(await rig.consul.summary('switch-kept')).toEqual([kept]);
    expect(await rig.consul.summary('switch-coming')).toEqual([]);
    expect(await rig.consul.summary('switch-going')).toEqual([going]);
    expect(await rig.kubernetes.eventsAbout(rig.namespace, 'switch-wrong')).toEqual([]);
    expect((await daemon.metrics.writesEnabled.get()).values).toEqual([{ value: 0, labels: {} }]);

    await configure((settings) => (settings.writes = 'on'));
    await untilIs(daemon, true);
    await untilEqual('the pod that came', () => rig.consul.summary('switch-coming'), [coming]);
    await untilEqual('the pod that went', () => rig.consul.summary('switch-going'), []);
    await until('the new Service', () => findService('switch-new'));
    await until('the Event of what is wrong', async () =>
      (await rig.kubernetes.eventsAbout(rig.namespace, 'switch-wrong')).some(({ reason }) => reason !== ''),
    );
    await until('an entry that says it no more', async () => !(await ownOutput()).includes('writes are off'));
    expect((await statusOf(daemon)).toConsul?.unwritten).toBe(0);
  });

  it('from the start: nothing at all is written, not the own entry and not the fence, until they are on', async () => {
    const cluster = `${rig.cluster}-late`;
    const controlFile = join(folder, 'control-late');
    await writeFile(controlFile, 'writes off\n');
    const before = await rig.consul.catalogIndex();
    const daemon = await start({ cluster, controlFile, writes: 'on' });
    const registration = await createPod('switch-late');
    await until('what waits', async () => {
      const { ready, toConsul } = await statusOf(daemon);
      return ready && (toConsul?.unwritten ?? 0) > 0;
    });
    expect(await rig.consul.catalogIndex()).toBe(before);
    expect(await rig.consul.call('GET', `/kv/consular/${cluster}/leader`)).toMatchObject({ status: 404 });
    expect((await statusOf(daemon)).leader.epoch).toBeNull();
    expect((await statusOf(daemon)).writes.by).toEqual([`control file ${controlFile} says off`]);
    await writeFile(controlFile, 'writes on\n');
    await untilEqual('the pod', () => rig.consul.summary('switch-late'), [registration]);
    expect((await statusOf(daemon)).leader.epoch).toBe(1);
  });

  it('by the Lease: holds through a change of leader, and until the annotation is taken away', async () => {
    const leaderElection = { enabled: true, namespace: rig.namespace };
    const cluster = `${rig.cluster}-lease`;
    const lease = `/apis/coordination.k8s.io/v1/namespaces/${rig.namespace}/leases/consular-${cluster}`;
    const annotate = (value: string | null) =>
      rig.kubernetes.must('PATCH', lease, { metadata: { annotations: { [ANNOTATION]: value } } });
    const leader = await start({ cluster, leaderElection });
    const standby = await start({ cluster, leaderElection, awaitStart: false });
    await until('a standby', async () => (await statusOf(standby)).leader.is === 'standby');
    await annotate('off');
    await Promise.all([untilIs(leader, false), untilIs(standby, false)]);
    const by = [`annotation ${ANNOTATION} on Lease ${rig.namespace}/consular-${cluster} says off`];
    expect((await statusOf(standby)).writes.by).toEqual(by);
    const registration = await createPod('switch-lease');
    await leader.stop();
    await standby.started;
    await until('what waits', async () => ((await statusOf(standby)).toConsul?.unwritten ?? 0) > 0);
    expect(await rig.consul.summary('switch-lease')).toEqual([]);
    expect((await statusOf(standby)).writes.by).toEqual(by);
    const besides = [...rig.clusters].filter((other) => other !== cluster);
    const consular = commandLineOn(rig, { cluster, besides, leaderElection: { namespace: rig.namespace } });
    const plan = await consular('plan');
    expect(plan.stdout.split('\n')[0]).toBe(
      `writes are off, by ${by.join('')}: run writes nothing of this until they are on`,
    );
    expect(plan).toMatchObject({ status: 2, stdout: expect.stringContaining('switch-lease') as unknown });
    const explained = await consular('explain', 'pod', `${rig.namespace}/switch-lease`);
    expect(explained.stdout).toContain('writes are off, by annotation');
    await annotate(null);
    await untilEqual('the pod', () => rig.consul.summary('switch-lease'), [registration]);
    await rig.kubernetes.must('PATCH', lease, { metadata: { annotations: { 'consular.dev/write': 'off' } } });
    const mistake = `annotation consular.dev/write on the Lease is not known and does nothing; ${ANNOTATION} was meant`;
    await until('an entry that names the mistake', async () => (await ownOutput()).includes(mistake));
    expect((await statusOf(standby)).writes.enabled).toBe(true);
  });
});

describe('removals that are never', () => {
  it('keep what would go in either direction, critical or not ready, and it goes when they are on', async () => {
    const cluster = `${rig.cluster}-never`;
    const { namespace, kubernetes, consul } = rig;
    const toKubernetes = { removalGrace: '0s', services: { include: ['never-*'] }, removals: 'never' };
    const toConsul = { namespaces: { include: [namespace], exclude: [] }, removals: 'never' };
    const daemon = await start({ cluster, file, toConsul, toKubernetes });
    const [gone, unready] = [await createPod('never-gone'), await createPod('never-unready')];
    await consul.registerOutside('never-vm', '198.51.100.21');
    await consul.registerOutside('never-vm', '198.51.100.22', 81);
    await untilEqual(
      'the pods',
      async () => (await consul.summary('never-unready')).concat(await consul.summary('never-gone')),
      [unready, gone],
    );
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3Dnever-vm`;
    const endpoints = async () => {
      const all = (await kubernetes.list(slices)) as {
        endpoints?: { addresses: string[]; conditions: { ready: boolean } }[];
      }[];
      const found = all.flatMap((slice) => slice.endpoints ?? []);
      return found.map(({ addresses, conditions }) => `${addresses.join()} ${conditions.ready}`).sort();
    };
    await untilEqual('the endpoints', endpoints, ['198.51.100.21 true', '198.51.100.22 true']);
    await untilIdle(daemon);

    await kubernetes.deletePod(namespace, 'never-gone');
    await kubernetes.setReady(namespace, 'never-unready', false);
    for (const { Node, ServiceID } of (await consul.must('GET', '/catalog/service/never-vm')) as {
      Node: string;
      ServiceID: string;
    }[])
      await consul.deregisterFromCatalog({ node: Node, id: ServiceID });
    const critical = (passing: string) => [passing.replace('passing', 'critical')];
    await untilEqual('the pod that is gone', () => consul.summary('never-gone'), critical(gone));
    await untilEqual('the pod that is not Ready', () => consul.summary('never-unready'), critical(unready));
    await untilEqual('endpoints that nobody is sent to', endpoints, ['198.51.100.21 false', '198.51.100.22 false']);
    await untilIdle(daemon);
    expect(await findService('never-vm')).toBeDefined();
    const { toConsul: inConsul, toKubernetes: inKubernetes } = await statusOf(daemon);
    expect([inConsul?.kept, (inKubernetes?.kept ?? 0) > 0]).toEqual([2, true]);
    await until('an entry that says it', async () => (await ownOutput()).includes('kept, as removals is never'));

    await configure((settings) => {
      settings.toConsul = { ...toConsul, removals: 'on' };
      settings.toKubernetes = { ...toKubernetes, namespaces: [namespace], removals: 'on' };
    });
    await untilEqual(
      'the end of both pods',
      async () => [...(await consul.summary('never-gone')), ...(await consul.summary('never-unready'))],
      [],
    );
    await until('the end of the Service', async () => (await findService('never-vm')) === undefined);
  });
});

describe('settings that are changed in the file of a daemon that runs', () => {
  it('count at once where that is safe, are told where they need a restart, and of a file that is not valid nothing counts', async () => {
    const cluster = `${rig.cluster}-live`;
    const { namespace, kubernetes, consul } = rig;
    const daemon = await start({
      ...{ cluster, file },
      toConsul: { namespaces: { include: ['nowhere'], exclude: [] } },
      toKubernetes: { removalGrace: '0s', services: { include: ['live-in'] } },
    });
    const registration = await createPod('switch-live');
    await consul.registerOutside('live-in', '198.51.100.11');
    await consul.registerOutside('live-out', '198.51.100.12');
    await until('what is included', () => findService('live-in'));
    await untilIdle(daemon);
    expect([await consul.summary('switch-live'), await findService('live-out')]).toEqual([[], undefined]);

    await configure((settings) => {
      settings.toConsul = { namespaces: { include: [namespace], exclude: [] }, hostNetwork: true };
      settings.toKubernetes = { namespaces: [namespace], removalGrace: '0s', services: { include: ['live-out'] } };
      settings.log = { level: 'warn' };
    });
    await untilEqual('a pod of a namespace that is included now', () => consul.summary('switch-live'), [registration]);
    await until('what is included now', () => findService('live-out'));
    await until('the end of what is not any more', async () => (await findService('live-in')) === undefined);
    await untilIdle(daemon);
    expect((await statusOf(daemon)).configuration).toEqual({
      file,
      refused: null,
      needRestart: ['toConsul.hostNetwork'],
    });
    const needsRestart = `configuration: ${file}: toConsul.hostNetwork was changed, which needs a restart`;
    await until('an entry that says it', async () => (await ownOutput()).includes(needsRestart));
    const warnings = () => daemon.records.filter(({ level }) => level === 'warn').map(({ message }) => message);
    expect(warnings()).toContain('settings were changed that need a restart');
    const told = daemon.records.length;

    await replaceFile('cluster: [\n');
    await until('a refused file', async () => (await statusOf(daemon)).configuration?.refused?.includes('valid YAML'));
    expect(await consul.summary('switch-live')).toEqual([registration]);
    expect(await kubernetes.find(`/api/v1/namespaces/${namespace}/services/live-out`)).toBeDefined();
    expect(warnings()).toContain('the configuration is refused, the settings of before go on');
    expect(daemon.records.slice(told).map(({ level }) => level)).not.toContain('info');
    await rm(file);
    await until('a missing file', async () => (await statusOf(daemon)).configuration?.refused?.includes('found none'));
  });
});

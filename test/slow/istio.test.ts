import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startKubernetes, type KubernetesPlane } from '../control-plane/index.ts';
import {
  nextPodIP,
  openRig,
  statusOf,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type Manifest,
  type Rig,
} from '../rig/index.ts';
import {
  clientsOf,
  entriesOf,
  entryPath,
  installWorkloadEntries,
  isHiddenFromIstio,
  slicesOf,
  uninstallWorkloadEntries,
  type EntryManifest,
} from '../rig/istio.ts';

interface ServiceManifest extends Manifest {
  readonly spec: { readonly clusterIP: string; readonly selector?: Record<string, string> };
}

let plane: KubernetesPlane;
let rig: Rig;

beforeAll(async () => {
  plane = await startKubernetes();
  rig = await openRig({}, plane);
}, 60_000);
afterAll(async () => {
  await rig.close();
  await plane.stop();
}, 30_000);

const servicePath = (name: string) => `/api/v1/namespaces/${rig.namespace}/services/${name}`;
const endpointsPath = (name: string) => `/api/v1/namespaces/${rig.namespace}/endpoints/${name}`;
const slicePath = (name = '') =>
  `/apis/discovery.k8s.io/v1/namespaces/${rig.namespace}/endpointslices${name === '' ? '' : `/${name}`}`;
const serviceOf = async (name: string) => (await rig.kubernetes.must('GET', servicePath(name))) as ServiceManifest;
const entries = (name: string) => entriesOf(rig.kubernetes, rig.namespace, name);
const slices = (name: string) => slicesOf(rig.kubernetes, rig.namespace, name);
const clients = (name: string) => clientsOf(rig.kubernetes, rig.namespace, name);
const untilClients = (name: string, everybody: string[], mesh = everybody) =>
  untilEqual(`clients of ${name}`, () => clients(name), { everybody, mesh });

/** v1 Endpoints: whose they are, and what they have. */
async function endpointsOf(name: string) {
  const found = await rig.kubernetes.find(endpointsPath(name));
  const subsets = (found?.subsets ?? []) as { addresses: { ip: string }[] }[];
  return {
    ours: found?.metadata.annotations?.['consular.dev/consul-service'] === name,
    skipsMirror: found?.metadata.labels?.['endpointslice.kubernetes.io/skip-mirror'] === 'true',
    addresses: subsets.flatMap(({ addresses }) => addresses.map(({ ip }) => ip)).sort(),
  };
}
const OURS = (...addresses: string[]) => ({ ours: true, skipsMirror: true, addresses });
const BUILT_IN = { ours: false, skipsMirror: false, addresses: [] };

/** Who made the slices of a Service. */
async function makersOf(name: string): Promise<string[]> {
  const makers = (await slices(name)).map(
    ({ metadata }) => metadata.labels?.['endpointslice.kubernetes.io/managed-by'] ?? '',
  );
  return [...new Set(makers)].sort();
}
const BUILT_IN_MAKER = 'endpointslice-controller.k8s.io';

interface Registered {
  readonly port?: number;
  readonly id?: string;
  readonly meta?: Record<string, string>;
  readonly tags?: string[];
  readonly weights?: { Passing: number; Warning: number };
}

function register(name: string, address: string, { port = 8080, id, ...more }: Registered = {}): Promise<void> {
  return rig.consul.registerOnAgent({ id: id ?? `${name}-${address}-${port}`, name, address, port, ...more });
}

/** Every object in the namespace that Consular or Kubernetes' own controllers made, with its version. */
async function versions(): Promise<string[]> {
  const { kubernetes, namespace } = rig;
  const core = `/api/v1/namespaces/${namespace}`;
  const lists = [`${core}/services`, `${core}/endpoints`, slicePath(), entryPath(namespace)];
  const objects = (await Promise.all(lists.map((path) => kubernetes.list(path)))).flat();
  return objects.map(({ metadata }) => `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`).sort();
}

const LONG = 90_000;

describe('an API server without Istio', () => {
  let daemon: Daemon;
  let before: ServiceManifest;
  const status = async () => {
    const { toKubernetes } = await statusOf(daemon);
    return { entries: toKubernetes?.workloadEntries, without: toKubernetes?.withoutWorkloadEntries };
  };
  const warnings = () => daemon.records.filter(({ level }) => level === 'warn' || level === 'error');
  const gauge = async () => (await daemon.metrics.istioFallbacks.get()).values[0]?.value;

  beforeAll(async () => {
    await register('early', '192.0.2.11', { meta: { version: 'v1' } });
    await register('early2', '192.0.2.12');
    daemon = await rig.startDaemon({ toKubernetes: { mode: 'istio', removalGrace: '0s' } });
  }, 60_000);
  afterAll(() => daemon.stop(), 30_000);

  it('mirrors for everybody, and says why: once in the log, in a metric and in the status', async () => {
    await untilEqual('Endpoints', () => endpointsOf('early'), OURS('192.0.2.11'));
    await untilEqual('Endpoints', () => endpointsOf('early2'), OURS('192.0.2.12'));
    await untilIdle(daemon);
    before = await serviceOf('early');
    expect(before.spec.selector).toBeUndefined();
    expect((await slices('early')).filter(isHiddenFromIstio)).toEqual([]);
    const why = 'the API server has no workloadentries.networking.istio.io';
    expect(warnings()).toEqual([
      expect.objectContaining({ message: 'mirroring without WorkloadEntries, will look again', why }),
    ]);
    expect(await status()).toEqual({ entries: why, without: 2 });
    expect(await gauge()).toBe(2);
  });

  it('is looked at again: once Istio is there, if only in v1beta1, the Service switches and keeps its ClusterIP', async () => {
    await installWorkloadEntries(rig.kubernetes, ['v1beta1']);
    await until('WorkloadEntries', async () => (await status()).entries === 'networking.istio.io/v1beta1', LONG);
    await until('the selector', async () => (await serviceOf('early')).spec.selector !== undefined);
    await untilIdle(daemon);
    const { metadata, spec } = await serviceOf('early');
    expect([metadata.uid, spec.clusterIP]).toEqual([before.metadata.uid, before.spec.clusterIP]);
    expect(spec.selector).toEqual({ 'consular.dev/workload-of': 'early' });
    const found = (await rig.kubernetes.list(entryPath(rig.namespace, '', 'v1beta1'))) as EntryManifest[];
    expect(found.map(({ spec }) => spec.address).sort()).toEqual(['192.0.2.11', '192.0.2.12']);
    expect(await gauge()).toBe(0);
    expect((await status()).without).toBe(0);
  });

  it('goes on in v1 when that is served, and changes nothing for it', async () => {
    await untilEqual('built-in Endpoints', () => endpointsOf('early'), BUILT_IN);
    await untilIdle(daemon);
    await installWorkloadEntries(rig.kubernetes);
    const written = await versions();
    await until('v1', async () => (await status()).entries === 'networking.istio.io/v1', LONG);
    await untilIdle(daemon);
    await register('early3', '192.0.2.13');
    await untilClients('early3', ['192.0.2.13:8080']);
    const after = await versions();
    expect(written.filter((object) => !after.includes(object))).toEqual([]);
  });

  it('goes back when Istio goes, and leaves no client without endpoints', async () => {
    await uninstallWorkloadEntries(rig.kubernetes);
    await until('the fallback', async () => (await status()).without === 3, LONG);
    await untilEqual('Endpoints', () => endpointsOf('early'), OURS('192.0.2.11'));
    await untilIdle(daemon);
    const { metadata, spec } = await serviceOf('early');
    expect([metadata.uid, spec.clusterIP]).toEqual([before.metadata.uid, before.spec.clusterIP]);
    expect(spec.selector).toBeUndefined();
    expect((await slices('early')).filter(isHiddenFromIstio)).toEqual([]);
    await untilEqual('no slices but ours', () => makersOf('early'), ['consular.dev']);
  });
});

describe('in mode istio', () => {
  let daemon: Daemon;
  const istio = {
    labels: { include: ['version', 'stage'], exclude: [] },
    locality: '{region}/{zone}',
    serviceAccountMeta: 'account',
  };
  const settings = { mode: 'istio', istio, removalGrace: '0s' };
  const restart = async (toKubernetes: object) => {
    await daemon.stop();
    daemon = await rig.startDaemon({ toKubernetes });
  };

  beforeAll(async () => {
    await installWorkloadEntries(rig.kubernetes);
    daemon = await rig.startDaemon({ toKubernetes: settings });
  }, 60_000);
  afterAll(() => daemon.stop(), 30_000);

  it('a Service selects a WorkloadEntry for each instance, and everybody else has slices', async () => {
    const { namespace, cluster } = rig;
    await register('orders', '192.0.2.21', {
      port: 9098,
      meta: { version: 'v1', region: 'eu', zone: 'eu-1a', account: 'orders-vm', secret: 'x' },
      tags: ['stage=blue', 'secret=y'],
      weights: { Passing: 3, Warning: 1 },
    });
    await untilClients('orders', ['192.0.2.21:9098']);
    await register('orders', '192.0.2.21', { port: 9099, meta: { version: 'v2' } });
    await untilClients('orders', ['192.0.2.21:9098', '192.0.2.21:9099']);
    const service = await serviceOf('orders');
    expect(service.spec).toMatchObject({
      type: 'ClusterIP',
      selector: { 'consular.dev/workload-of': 'orders' },
      ports: [
        { name: 'main', port: 80, targetPort: 'main' },
        { name: 'alias', port: 9098, targetPort: 'alias' },
      ],
    });
    const [one, two] = await entries('orders');
    const labels = { version: 'v1', stage: 'blue', app: 'orders', 'consular.dev/workload-of': 'orders' };
    expect(one?.metadata).toMatchObject({
      namespace,
      name: 'orders-192.0.2.21-9098',
      labels: { 'app.kubernetes.io/managed-by': 'consular', 'consular.dev/cluster': cluster, ...labels },
      annotations: { 'consular.dev/consul-service': 'orders' },
      ownerReferences: [{ kind: 'Service', name: 'orders', uid: service.metadata.uid }],
    });
    expect(one?.spec).toEqual({
      address: '192.0.2.21',
      ports: { main: 9098, alias: 9098 },
      labels,
      locality: 'eu/eu-1a',
      weight: 3,
      serviceAccount: 'orders-vm',
    });
    expect(two?.spec).toEqual({
      address: '192.0.2.21',
      ports: { main: 9099, alias: 9099 },
      labels: { version: 'v2', app: 'orders', 'consular.dev/workload-of': 'orders' },
    });
    const ours = (await slices('orders')).filter(isHiddenFromIstio);
    expect(ours.map(({ metadata }) => metadata.labels)).toEqual(
      ours.map(() => ({
        'app.kubernetes.io/managed-by': 'consular',
        'consular.dev/cluster': cluster,
        'endpointslice.kubernetes.io/managed-by': 'consular.dev',
        'kubernetes.io/service-name': 'orders',
        'multicluster.kubernetes.io/service-name': '',
      })),
    );
    // Kubernetes' own controllers serve the selector, with what they find: no pod. Nobody fights over that.
    await untilEqual('built-in Endpoints', () => endpointsOf('orders'), BUILT_IN);
    await untilEqual('makers', () => makersOf('orders'), ['consular.dev', BUILT_IN_MAKER]);
    await untilIdle(daemon);
    expect(await endpointsOf('orders')).toEqual(BUILT_IN);
  });

  it('WorkloadEntries follow health, weight, labels and ports of the instances', async () => {
    const { consul } = rig;
    const entry = async (port: number) => (await entries('orders')).find(({ spec }) => spec.ports.main === port)?.spec;
    await consul.setHealth('orders-192.0.2.21-9098', 'fail');
    await untilClients('orders', ['192.0.2.21:9099']);
    await consul.setHealth('orders-192.0.2.21-9098', 'warn');
    await untilClients('orders', ['192.0.2.21:9098', '192.0.2.21:9099']);
    expect(await entry(9098)).not.toHaveProperty('weight');
    await consul.setHealth('orders-192.0.2.21-9098', 'pass');
    await until('the weight', async () => (await entry(9098))?.weight === 3);
    // What it said before, it says no more: nothing of it may stay.
    await register('orders', '192.0.2.21', { port: 9098, meta: { version: 'v3' } });
    await until('the label', async () => (await entry(9098))?.labels.version === 'v3');
    expect(await entry(9098)).toEqual({
      address: '192.0.2.21',
      ports: { main: 9098, alias: 9098 },
      labels: { version: 'v3', app: 'orders', 'consular.dev/workload-of': 'orders' },
    });
    const [one] = await entries('orders');
    expect(Object.keys(one?.metadata.labels ?? {}).sort()).toEqual([
      'app',
      'app.kubernetes.io/managed-by',
      'consular.dev/cluster',
      'consular.dev/workload-of',
      'version',
    ]);
    await register('orders', '192.0.2.22', { id: 'orders-192.0.2.21-9098', port: 9100 });
    await untilClients('orders', ['192.0.2.21:9099', '192.0.2.22:9100']);
    await consul.deregisterFromAgent('orders-192.0.2.21-9099');
    await untilClients('orders', ['192.0.2.22:9100']);
  });

  it('takes whatever an instance says of itself, and leaves out what is no label', async () => {
    const odd = { version: 'v1 (beta)', stage: 'x'.repeat(64), zone: '../../etc', region: '{zone}' };
    await register('odd', '192.0.2.23', { meta: odd, tags: ['=', '|', 'version=', 'version=ok', '__proto__=x'] });
    await register('odd', 'fd00::23', { port: 1 });
    await untilClients('odd', ['192.0.2.23:8080', 'fd00::23:1']);
    const [one, two] = await entries('odd');
    expect(one?.spec).toMatchObject({
      address: '192.0.2.23',
      labels: { version: 'ok', app: 'odd', 'consular.dev/workload-of': 'odd' },
    });
    expect(one?.spec).not.toHaveProperty('locality');
    expect(two?.spec).toMatchObject({ address: 'fd00::23', ports: { main: 1 } });
  });

  it('does without the entry of one instance that the API server refuses, and has all others', async () => {
    await denyWrites('one-refused', 'networking.istio.io', 'workloadentries', 'refused-192.0.2.29-666');
    await register('refused', '192.0.2.29', { port: 666 });
    await register('refused', '192.0.2.29', { port: 8080 });
    await untilClients('refused', ['192.0.2.29:666', '192.0.2.29:8080'], ['192.0.2.29:8080']);
    await allowWrites('one-refused');
    await untilClients('refused', ['192.0.2.29:666', '192.0.2.29:8080']);
  });

  it('an instance that is a pod stays in a slice that Istio reads, and is no WorkloadEntry', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await register('self', '192.0.2.24');
    await register('self', ip);
    await untilClients('self', [ip, '192.0.2.24'].map((address) => `${address}:8080`).sort());
    expect(await entries('self')).toHaveLength(2);
    await kubernetes.createPod(namespace, 'self', { ip });
    await untilEqual('one entry', async () => (await entries('self')).map(({ spec }) => spec.address), ['192.0.2.24']);
    await untilClients('self', [ip, '192.0.2.24'].map((address) => `${address}:8080`).sort());
    await kubernetes.deletePod(namespace, 'self');
    await register('self', '192.0.2.25');
    await until('three entries', async () => (await entries('self')).length === 3);
    await untilClients('self', [ip, '192.0.2.24', '192.0.2.25'].map((address) => `${address}:8080`).sort());
    await consul.deregisterFromAgent(`self-${ip}-8080`);
    await untilClients('self', ['192.0.2.24:8080', '192.0.2.25:8080']);
  });

  it('restores entries and a selector that somebody edits or deletes, and leaves the entries of others alone', async () => {
    const { kubernetes, namespace } = rig;
    await register('fixed', '192.0.2.26', { meta: { version: 'v1' } });
    await register('fixed', '192.0.2.27');
    await untilClients('fixed', ['192.0.2.26:8080', '192.0.2.27:8080']);
    const [one, two] = await entries('fixed');
    const foreign = { metadata: { name: 'a-friend' }, spec: { ...two?.spec, address: '192.0.2.99' } };
    await kubernetes.must('POST', entryPath(namespace), {
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      ...foreign,
    });
    await kubernetes.must('DELETE', entryPath(namespace, two?.metadata.name));
    await kubernetes.must('PATCH', entryPath(namespace, one?.metadata.name), {
      metadata: { labels: { version: 'v9', 'istio.io/rev': 'canary' } },
      spec: { address: '192.0.2.98', weight: 7, labels: { version: 'v9', stage: 'x' }, ports: { other: 1 } },
    });
    const all = ['192.0.2.26:8080', '192.0.2.27:8080'];
    await untilClients('fixed', all, [...all, '192.0.2.99:8080']);
    await untilEqual('the entry', async () => (await entries('fixed'))[1]?.spec, one?.spec);
    const [friend, mended] = await entries('fixed');
    expect(friend?.metadata.name).toBe('a-friend');
    expect(mended?.metadata.labels).toEqual({ ...one?.metadata.labels, 'istio.io/rev': 'canary' });
    await kubernetes.must('DELETE', entryPath(namespace, 'a-friend'));
    await kubernetes.must('PATCH', servicePath('fixed'), { spec: { selector: { app: 'mine' } } });
    await until('the selector', async () => Object.keys((await serviceOf('fixed')).spec.selector ?? {}).length === 1);
    await untilClients('fixed', all);
    await kubernetes.must('PATCH', servicePath('fixed'), { spec: { selector: null } });
    await untilClients('fixed', all);
    await until('the selector', async () => (await serviceOf('fixed')).spec.selector !== undefined);
    await untilEqual('built-in Endpoints', () => endpointsOf('fixed'), BUILT_IN);
  });

  it('a restart with nothing changed writes nothing', async () => {
    await untilIdle(daemon);
    const before = await versions();
    await restart(settings);
    await register('later', '192.0.2.28');
    await untilClients('later', ['192.0.2.28:8080']);
    await untilIdle(daemon);
    const after = await versions();
    expect(before.filter((object) => !after.includes(object))).toEqual([]);
  });

  it('a service of Consul that goes takes its entries along', async () => {
    const { kubernetes, consul, namespace } = rig;
    await consul.deregisterFromAgent('later-192.0.2.28-8080');
    await until('no Service', async () => (await kubernetes.find(servicePath('later'))) === undefined);
    const left = await kubernetes.list(entryPath(namespace));
    expect(left.filter(({ metadata }) => metadata.name.startsWith('later'))).toEqual([]);
    await untilEqual('no slices', () => makersOf('later'), []);
    await until('no Endpoints', async () => (await kubernetes.find(endpointsPath('later'))) === undefined);
  });

  it('a Service that is let go keeps its mode, and its entries follow', async () => {
    const { kubernetes, consul } = rig;
    await register('freed', '192.0.2.31');
    await untilClients('freed', ['192.0.2.31:8080']);
    await kubernetes.must('PATCH', servicePath('freed'), {
      metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
    });
    await register('freed', '192.0.2.32');
    await untilClients('freed', ['192.0.2.31:8080', '192.0.2.32:8080']);
    expect(await entries('freed')).toHaveLength(2);
    // Its owner has other plans with it: then Istio has to read the slices.
    await kubernetes.must('PATCH', servicePath('freed'), { spec: { selector: { app: 'freed' } } });
    await kubernetes.must('PATCH', servicePath('freed'), {
      spec: { selector: { 'consular.dev/workload-of': null } },
    });
    await until('plain slices only', async () => !(await slices('freed')).some(isHiddenFromIstio));
    await untilClients('freed', ['192.0.2.31:8080', '192.0.2.32:8080']);
    for (const address of ['192.0.2.31', '192.0.2.32']) await consul.deregisterFromAgent(`freed-${address}-8080`);
    await untilClients('freed', []);
    expect((await serviceOf('freed')).spec.selector).toEqual({ app: 'freed' });
  });

  describe('a service switches', () => {
    const written = async (name: string) => {
      const { metadata, spec } = await serviceOf(name);
      return { uid: metadata.uid, clusterIP: spec.clusterIP };
    };

    /** Everything that a Service for everybody has, and nothing else. */
    async function untilForEverybody(name: string, ...addresses: string[]): Promise<void> {
      await untilEqual('Endpoints', () => endpointsOf(name), OURS(...addresses));
      await untilEqual('makers', () => makersOf(name), ['consular.dev']);
      await untilIdle(daemon);
      expect((await serviceOf(name)).spec.selector).toBeUndefined();
      expect((await slices(name)).filter(isHiddenFromIstio)).toEqual([]);
      const left = await rig.kubernetes.list(entryPath(rig.namespace));
      expect(left.filter(({ metadata }) => metadata.name.startsWith(`${name}-`))).toEqual([]);
      expect(await makersOf(name)).toEqual(['consular.dev']);
      expect(await endpointsOf(name)).toEqual(OURS(...addresses));
    }

    async function untilForIstio(name: string, count: number): Promise<void> {
      await until('the entries', async () => (await entries(name)).length === count);
      await untilEqual('built-in Endpoints', () => endpointsOf(name), BUILT_IN);
      await untilEqual('makers', () => makersOf(name), ['consular.dev', BUILT_IN_MAKER]);
      await untilIdle(daemon);
      const ours = (await slices(name)).filter(
        ({ metadata }) => metadata.labels?.['endpointslice.kubernetes.io/managed-by'] === 'consular.dev',
      );
      expect(ours.filter((slice) => !isHiddenFromIstio(slice))).toEqual([]);
      expect(ours.length).toBeGreaterThan(0);
      expect(await endpointsOf(name)).toEqual(BUILT_IN);
    }

    it('by the meta of its instances, there and back, with its ClusterIP and without leftovers', async () => {
      await register('there', '192.0.2.41', { meta: { 'consular-mode': 'service' } });
      await untilForEverybody('there', '192.0.2.41');
      const before = await written('there');
      await register('there', '192.0.2.41', { meta: { 'consular-mode': 'istio' } });
      await untilForIstio('there', 1);
      await register('there', '192.0.2.41', { tags: ['consular-mode=service'] });
      await untilForEverybody('there', '192.0.2.41');
      expect(await written('there')).toEqual(before);
    });

    it('by the settings, there and back', async () => {
      await register('set', '192.0.2.42');
      await register('set', '192.0.2.42', { port: 8081 });
      await untilForIstio('set', 2);
      const before = await written('set');
      const warnings = async () =>
        (await rig.kubernetes.eventsAbout(rig.namespace, 'set')).filter(({ reason }) => reason === 'SharedAddress');
      expect(await warnings()).toEqual([]);
      await restart({ removalGrace: '0s' });
      await untilForEverybody('set', '192.0.2.42', '192.0.2.42');
      // Istio's sidecars would call one of the two.
      await until('an Event', async () => (await warnings()).length > 0);
      await restart({ removalGrace: '0s', endpoints: false });
      await until('no Endpoints', async () => (await rig.kubernetes.find(endpointsPath('set'))) === undefined);
      await restart(settings);
      await untilForIstio('set', 2);
      await restart({ removalGrace: '0s', endpoints: false });
      await until('no Endpoints', async () => (await rig.kubernetes.find(endpointsPath('set'))) === undefined);
      await untilEqual('makers', () => makersOf('set'), ['consular.dev']);
      expect(await written('set')).toEqual(before);
      await restart(settings);
      await untilForIstio('set', 2);
    });

    it('and back without slices, in an ambient mesh', async () => {
      await restart({ ...settings, istio: { ...istio, slices: false } });
      await untilEqual('built-in slices', () => makersOf('set'), [BUILT_IN_MAKER]);
      await untilClients('set', [], ['192.0.2.42:8080', '192.0.2.42:8081']);
      await restart({ removalGrace: '0s' });
      await untilForEverybody('set', '192.0.2.42', '192.0.2.42');
      await restart({ ...settings, istio: { ...istio, slices: false } });
      await untilEqual('built-in slices', () => makersOf('set'), [BUILT_IN_MAKER]);
      await restart(settings);
      await untilForIstio('set', 2);
    });

    it('for Istio only when all of its entries are there, also over a restart, and loses no client till then', async () => {
      await register('slow', '192.0.2.43', { meta: { 'consular-mode': 'service' } });
      await untilForEverybody('slow', '192.0.2.43');
      const before = await written('slow');
      await denyWrites('no-entries', 'networking.istio.io', 'workloadentries', 'slow-192.0.2.43-8080');
      await register('slow', '192.0.2.43');
      await untilFailing('slow');
      await restart(settings);
      await untilFailing('slow');
      // Meanwhile it is what it was, and follows its instances.
      await register('slow', '192.0.2.44');
      await untilClients('slow', ['192.0.2.43:8080', '192.0.2.44:8080']);
      expect((await serviceOf('slow')).spec.selector).toBeUndefined();
      await untilEqual('Endpoints', () => endpointsOf('slow'), OURS('192.0.2.43', '192.0.2.44'));
      await allowWrites('no-entries');
      await untilForIstio('slow', 2);
      expect(await written('slow')).toEqual(before);
    });

    it('for everybody only when its slices are there, also over a restart, and loses no client till then', async () => {
      await register('slack', '192.0.2.45');
      await untilForIstio('slack', 1);
      const before = await written('slack');
      const [slice] = await slices('slack').then((all) => all.filter(isHiddenFromIstio));
      await denyWrites('no-slices', 'discovery.k8s.io', 'endpointslices', 'slack-', slice?.metadata.name);
      await register('slack', '192.0.2.45', { meta: { 'consular-mode': 'service' } });
      await untilFailing('slack');
      await restart(settings);
      await untilFailing('slack');
      await register('slack', '192.0.2.46', { meta: { 'consular-mode': 'service' } });
      await untilClients('slack', ['192.0.2.45:8080', '192.0.2.46:8080']);
      expect((await serviceOf('slack')).spec.selector).toBeDefined();
      await allowWrites('no-slices');
      await untilForEverybody('slack', '192.0.2.45', '192.0.2.46');
      expect(await written('slack')).toEqual(before);
    });

    it('because its owner gave it another selector, and loses no client while its slices are refused', async () => {
      const { kubernetes } = rig;
      await register('guarded', '192.0.2.47');
      await untilForIstio('guarded', 1);
      const [slice] = (await slices('guarded')).filter(isHiddenFromIstio);
      await denyWrites('no-plain', 'discovery.k8s.io', 'endpointslices', 'guarded-', slice?.metadata.name);
      // The selector has the entries still: they are labelled like that, too.
      await kubernetes.must('PATCH', servicePath('guarded'), {
        metadata: { labels: { 'app.kubernetes.io/managed-by': null } },
        spec: { selector: { app: 'guarded', 'consular.dev/workload-of': null } },
      });
      await untilFailing('guarded');
      expect(await clients('guarded')).toEqual({ everybody: ['192.0.2.47:8080'], mesh: ['192.0.2.47:8080'] });
      await allowWrites('no-plain');
      await until('no entries', async () => (await entries('guarded')).length === 0);
      await untilClients('guarded', ['192.0.2.47:8080']);
    });

    it('to an import, and loses no client in an ambient mesh while the slices of that are refused', async () => {
      const { kubernetes, namespace } = rig;
      await restart({ ...settings, importNamespaces: [namespace], istio: { ...istio, slices: false } });
      await register('ambient', '192.0.2.48');
      await untilClients('ambient', [], ['192.0.2.48:8080']);
      await untilEqual('built-in slices', () => makersOf('ambient'), [BUILT_IN_MAKER]);
      await denyWrites('no-imports', 'discovery.k8s.io', 'endpointslices', 'ambient-');
      await kubernetes.must('PATCH', servicePath('ambient'), {
        metadata: {
          labels: { 'app.kubernetes.io/managed-by': null, 'consular.dev/cluster': null },
          annotations: { 'consular.dev/import': 'ambient', 'consular.dev/consul-service': null },
        },
      });
      await untilFailing(`Service ${namespace}/ambient`);
      // Another one, registered later, is through: so would the end of the entries be.
      await register('unrelated', '192.0.2.49');
      await untilClients('unrelated', [], ['192.0.2.49:8080']);
      expect(await clients('ambient')).toEqual({ everybody: [], mesh: ['192.0.2.48:8080'] });
      await allowWrites('no-imports');
      await untilClients('ambient', ['192.0.2.48:8080']);
      await untilIdle(daemon);
      // The import is for one port only: the entries stay for the other, until that is gone.
      expect(await entries('ambient')).toHaveLength(1);
      const ports = [{ name: 'main', port: 80, targetPort: 8080 }];
      await kubernetes.must('PATCH', servicePath('ambient'), { spec: { ports } });
      await until('no entries', async () => (await entries('ambient')).length === 0);
      expect(await clients('ambient')).toEqual({ everybody: ['192.0.2.48:8080'], mesh: ['192.0.2.48:8080'] });
      await restart(settings);
    });

    const untilFailing = (name: string) =>
      until(`${name} to be refused`, async () => (await statusOf(daemon)).toKubernetes?.failing[name] !== undefined);
  });
});

/** Has the API server itself refuse to create or change some objects: those whose name starts like that, but for one. */
async function denyWrites(name: string, group: string, resource: string, prefix: string, but = ''): Promise<void> {
  const { kubernetes, namespace } = rig;
  const root = '/apis/admissionregistration.k8s.io/v1';
  const matchConstraints = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    resourceRules: [
      { apiGroups: [group], apiVersions: ['*'], operations: ['CREATE', 'UPDATE'], resources: [resource] },
    ],
  };
  const isOther = `!object.metadata.name.startsWith('${prefix}') || object.metadata.name == '${but}'`;
  await kubernetes.must('POST', `${root}/validatingadmissionpolicies`, {
    metadata: { name },
    spec: {
      failurePolicy: 'Fail',
      matchConstraints,
      validations: [{ expression: isOther, message: 'not now' }],
    },
  });
  await kubernetes.must('POST', `${root}/validatingadmissionpolicybindings`, {
    metadata: { name },
    spec: { policyName: name, validationActions: ['Deny'] },
  });
  await until('the policy to work', async () => {
    const manifest = { metadata: { name: `${prefix}probe` }, ...PROBES[resource] };
    const path =
      resource === 'workloadentries'
        ? entryPath(namespace)
        : `/apis/${group}/v1/namespaces/${namespace}/endpointslices`;
    const { status } = await kubernetes.call('POST', `${path}?dryRun=All`, manifest);
    return status === 422 || status === 403;
  });
}

const PROBES: Readonly<Record<string, object>> = {
  workloadentries: {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    spec: { address: '192.0.2.11' },
  },
  endpointslices: { addressType: 'IPv4', endpoints: [] },
};

async function allowWrites(name: string): Promise<void> {
  const root = '/apis/admissionregistration.k8s.io/v1';
  await rig.kubernetes.must('DELETE', `${root}/validatingadmissionpolicybindings/${name}`);
  await rig.kubernetes.must('DELETE', `${root}/validatingadmissionpolicies/${name}`);
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startKubernetes, type KubernetesPlane } from '../control-plane/index.ts';
import { openRig, scrape, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** What the Kubernetes objects of a Consul service look like, where the defaults are not enough. */
describe('a mirrored Service', () => {
  let rig: Rig;
  let daemon: Daemon;
  let mirrored: Mirrored;

  beforeAll(async () => {
    rig = await openRig();
    mirrored = new Mirrored(rig);
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s', headless: ['quiet-*'] } });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const register = (name: string, address: string, port: number, meta: Record<string, string> = {}) =>
    rig.consul.registerOnAgent({ id: `${name}-${address}-${port}`, name, address, port, meta });

  it.each([
    ['the settings', 'quiet-db', {}],
    ['its instances', 'loud-db', { 'consular-headless': 'true' }],
  ])('is headless when %s say so', async (_, name, meta: Record<string, string>) => {
    await register(name, '192.0.2.21', 5432, meta);
    await register(name, '192.0.2.22', 5432, meta);
    const both = ['192.0.2.21:5432', '192.0.2.22:5432'];
    await untilEqual('slices', () => mirrored.addresses(name), both);
    await untilEqual('Endpoints', () => mirrored.legacyAddresses(name), both);
    const service = await mirrored.service(name);
    expect(service?.spec).toMatchObject({ clusterIP: 'None', ports: [{ name: 'main', port: 5432 }] });
    const [slice] = await mirrored.slices(name);
    for (const object of [slice, await mirrored.endpoints(name)])
      expect(object?.metadata.labels).toMatchObject({ 'service.kubernetes.io/headless': '' });
  });

  it('that should be headless later says so, and is when somebody deletes it', async () => {
    await register('later', '192.0.2.23', 80);
    const before = await until('the mirror', () => mirrored.service('later'));
    await register('later', '192.0.2.23', 80, { 'consular-headless': 'true' });
    await until('an Event', async () =>
      (await mirrored.events('later')).some(({ reason }) => reason === 'ServiceShape'),
    );
    expect((await mirrored.service('later'))?.spec.clusterIP).toBe(before.spec.clusterIP);
    await rig.kubernetes.must('DELETE', mirrored.path('services', 'later'));
    await until('a headless one', async () => (await mirrored.service('later'))?.spec.clusterIP === 'None');
    await until('its slices', async () =>
      (await mirrored.slices('later')).every(
        ({ metadata }) => 'service.kubernetes.io/headless' in (metadata.labels ?? {}),
      ),
    );
    await untilEqual('its endpoint', () => mirrored.addresses('later'), ['192.0.2.23:80']);
  });

  it('of more than 1000 addresses has them all in slices, and v1 Endpoints that say that they have not', async () => {
    const addresses = Array.from({ length: 1050 }, (_, i) => `198.51.${100 + (i >> 8)}.${i & 255}`);
    for (let first = 0; first < addresses.length; first += 60)
      await rig.consul.must(
        'PUT',
        '/txn',
        addresses.slice(first, first + 60).flatMap((address) => [
          ...(first === 0 && address === addresses[0]
            ? [{ Node: { Verb: 'set', Node: { Node: 'farm', Address: '192.0.2.24' } } }]
            : []),
          {
            Service: {
              Verb: 'set',
              Node: 'farm',
              Service: { ID: `farm-${address}`, Service: 'farm', Address: address, Port: 80 },
            },
          },
        ]),
      );
    await until('all slices', async () => (await mirrored.addresses('farm')).length === addresses.length);
    const sizes = (await mirrored.slices('farm')).map(({ endpoints }) => endpoints?.length ?? 0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
    const truncated = async () =>
      (await mirrored.endpoints('farm'))?.metadata.annotations?.['endpoints.kubernetes.io/over-capacity'];
    await until('Endpoints that say so', async () => (await truncated()) === 'truncated');
    expect(await mirrored.legacyAddresses('farm')).toHaveLength(1000);

    // One less is one slice written, of eleven.
    await untilIdle(daemon);
    const versions = async () =>
      new Map((await mirrored.slices('farm')).map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
    const before = await versions();
    await rig.consul.must('PUT', '/catalog/deregister', { Node: 'farm', ServiceID: 'farm-198.51.101.7' });
    await until('one less', async () => (await mirrored.addresses('farm')).length === addresses.length - 1);
    const after = await versions();
    expect([...after].filter(([name, version]) => before.get(name) !== version)).toHaveLength(1);

    await rig.consul.must('PUT', '/catalog/deregister', { Node: 'farm' });
    await until('no Service', async () => (await mirrored.service('farm')) === undefined);
  });

  it('whose name another one has too says so', async () => {
    await register('same.name', '192.0.2.25', 80);
    await until('the first', () => mirrored.service('same-name'));
    await register('same_name', '192.0.2.26', 80);
    const hashed = await until('the second', async () =>
      (await mirrored.names()).find((name) => /^same-name-[0-9a-f]{8}$/.test(name)),
    );
    await until('an Event', async () =>
      (await mirrored.events(hashed)).some(({ reason }) => reason === 'NameCollision'),
    );
    // Who has a name keeps it: also when the other goes, and also over a restart.
    await rig.consul.deregisterFromAgent('same.name-192.0.2.25-80');
    await until('the first gone', async () => (await mirrored.service('same-name')) === undefined);
    await register('same.name', '192.0.2.25', 80);
    await until('the first again', () => mirrored.service('same-name'));
    await daemon.stop();
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s', headless: ['quiet-*'] } });
    await untilIdle(daemon);
    expect(await mirrored.addresses(hashed)).toEqual(['192.0.2.26:80']);
    expect(await mirrored.addresses('same-name')).toEqual(['192.0.2.25:80']);
  });

  it('of a service that is critical everywhere when it is first seen is there, without endpoints', async () => {
    await rig.consul.registerOnAgent({ id: 'ill', name: 'ill', address: '192.0.2.27', port: 8080, status: 'critical' });
    const service = await until('the Service', () => mirrored.service('ill'));
    expect(service.spec.ports.map(({ port }) => port)).toEqual([80, 8080]);
    expect(await mirrored.slices('ill')).toEqual([]);
  });

  it('outlives its Consul service for the grace period, with its ClusterIP and without endpoints', async () => {
    await daemon.stop();
    daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '10m' } });
    await register('back', '192.0.2.28', 80);
    await untilEqual('mirrored', () => mirrored.legacyAddresses('back'), ['192.0.2.28:80']);
    const before = await mirrored.service('back');
    await rig.consul.deregisterFromAgent('back-192.0.2.28-80');
    await untilEqual('no endpoints', () => mirrored.addresses('back'), []);
    await untilEqual('no Endpoints', () => mirrored.legacyAddresses('back'), []);
    await register('back', '192.0.2.29', 8080);
    await untilEqual('mirrored again', () => mirrored.addresses('back'), ['192.0.2.29:8080']);
    const after = await mirrored.service('back');
    expect(after?.metadata.uid).toBe(before?.metadata.uid);
    expect(after?.spec.clusterIP).toBe(before?.spec.clusterIP);
  });
});

describe('a cluster of both IP families', () => {
  let plane: KubernetesPlane;
  beforeAll(async () => {
    plane = await startKubernetes({ serviceRange: '10.96.0.0/16,fd00:96::/112' });
  }, 120_000);
  afterAll(() => plane.stop(), 30_000);

  it('has Services of the family that their instances have, or of both', async () => {
    const rig = await openRig({}, plane);
    try {
      const mirrored = new Mirrored(rig);
      const register = (name: string, address: string) =>
        rig.consul.registerOnAgent({ id: `${name}-${address}`, name, address, port: 80 });
      await register('four', '192.0.2.31');
      await register('six', '2001:db8::31');
      await register('both', '192.0.2.32');
      await register('both', '2001:DB8:0::32');
      await register('taken', 'fd00:96::77');
      const daemon = await rig.startDaemon();
      const shape = async (name: string) => {
        const spec = (await mirrored.service(name))?.spec;
        return `${spec?.ipFamilyPolicy} ${spec?.ipFamilies.join()}`;
      };
      await untilEqual('both', () => mirrored.addresses('both'), ['192.0.2.32:80', '2001:db8::32:80']);
      await untilEqual('both, in Endpoints', () => mirrored.legacyAddresses('both'), [
        '192.0.2.32:80',
        '2001:db8::32:80',
      ]);
      await untilEqual('six', () => mirrored.addresses('six'), ['2001:db8::31:80']);
      await untilEqual('four', () => mirrored.addresses('four'), ['192.0.2.31:80']);
      expect((await mirrored.slices('both')).map(({ addressType }) => addressType).sort()).toEqual(['IPv4', 'IPv6']);
      expect(await shape('four')).toBe('SingleStack IPv4');
      expect(await shape('six')).toBe('SingleStack IPv6');
      expect(await shape('both')).toBe('PreferDualStack IPv4,IPv6');
      expect(await mirrored.addresses('taken')).toEqual([]);
      // Instances of the other family come: the Service keeps its address and gets another.
      const [before, six] = [await mirrored.service('four'), await mirrored.service('six')];
      await register('four', '2001:db8::33');
      await register('six', '192.0.2.33');
      await untilEqual('four is of both', () => shape('four'), 'PreferDualStack IPv4,IPv6');
      await untilEqual('six is of both', () => shape('six'), 'PreferDualStack IPv6,IPv4');
      expect((await mirrored.service('four'))?.spec.clusterIPs[0]).toBe(before?.spec.clusterIP);
      expect((await mirrored.service('six'))?.spec.clusterIPs[0]).toBe(six?.spec.clusterIP);
      await rig.consul.deregisterFromAgent('four-2001:db8::33');
      await untilEqual('one less', () => mirrored.addresses('four'), ['192.0.2.31:80']);
      await untilIdle(daemon);
      expect(await shape('four')).toBe('PreferDualStack IPv4,IPv6');
    } finally {
      await rig.close();
    }
  });
});

describe('a cluster without ClusterIPs left', () => {
  let plane: KubernetesPlane;
  beforeAll(async () => {
    // 14 addresses, of which the API server has one.
    plane = await startKubernetes({ serviceRange: '10.97.0.0/28' });
  }, 120_000);
  afterAll(() => plane.stop(), 30_000);

  it('says so, goes on with everything else, and mirrors the rest once there is room', async () => {
    const rig = await openRig({}, plane);
    try {
      const mirrored = new Mirrored(rig);
      for (let i = 1; i <= 20; i++)
        await rig.consul.registerOnAgent({ id: `s${i}`, name: `s${i}`, address: '192.0.2.41', port: 80 });
      await rig.consul.registerOnAgent({
        ...{ id: 'six', name: 'six', address: '2001:db8::41', port: 80 },
        meta: { 'consular-headless': 'true' },
      });
      const daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
      const rangeFull = (about: { reason: string; note: string }) => about.reason === 'ClusterIPRangeFull';
      const failing = async () => Object.keys((await statusOf(daemon)).toKubernetes?.failing ?? {});
      const waiting = await until('all that have no room', async () => {
        const names = new Set(await failing());
        return names.size >= 7 && (await mirrored.names()).length === 20 - names.size + 1 && names;
      });
      const events = await until('an Event on the namespace', async () => {
        const found = (await mirrored.events(rig.namespace)).filter(rangeFull);
        return found.length > 0 && found;
      });
      const metrics = await scrape(daemon);
      const series = (name: string) => metrics.get(`consular_${name}{direction="to-kubernetes"}`);
      expect(series('failing')).toBeGreaterThanOrEqual(7);
      expect(series('oldest_waiting_seconds')).toBeGreaterThan(0);
      expect([series('owned'), series('held')]).toEqual([(await mirrored.names()).length, 0]);
      // It is the same for all that wait.
      expect(events).toHaveLength(1);
      expect(daemon.records.filter((record) => rangeFull(record as never))).toHaveLength(1);
      // Those that have an address are followed, and what needs none is made.
      const [first = ''] = (await mirrored.names()).filter((name) => name !== 'six');
      await rig.consul.setHealth(first, 'fail');
      await untilEqual('the critical one', () => mirrored.addresses(first), []);
      await rig.consul.registerOnAgent({
        ...{ id: 'quiet', name: 'quiet', address: '192.0.2.42', port: 80 },
        meta: { 'consular-headless': 'true' },
      });
      await untilEqual('a headless one', () => mirrored.addresses('quiet'), ['192.0.2.42:80']);
      await rig.consul.deregisterFromAgent(first);
      await until('one of those that waited', async () => {
        const names = await mirrored.names();
        return names.some((name) => waiting.has(name));
      });
      // IPv4 is all that this cluster has: a Service of the other family is not even asked for.
      await rig.consul.registerOnAgent({ id: 'last', name: first, address: '2001:db8::42', port: 80 });
      await until('that it waits again', async () => (await failing()).includes(first));
    } finally {
      await rig.close();
    }
  });
});

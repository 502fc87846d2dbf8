import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import type { Manifest } from '../rig/kubernetes.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** What instances say of themselves in Consul, by tags, IDs, meta and weights, and what becomes of them in Kubernetes. */
describe('what an instance says of itself', () => {
  let rig: Rig;
  let daemon: Daemon;
  let mirrored: Mirrored;

  beforeAll(async () => {
    rig = await openRig();
    mirrored = new Mirrored(rig);
    daemon = await rig.startDaemon({
      toKubernetes: {
        removalGrace: '0s',
        services: { include: ['*', 'named-mgmt'] },
        tagServices: [{ service: 'pgsql-*', tags: ['master', 'replica'] }],
        importNamespaces: [rig.namespace],
      },
    });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  describe('that it gets no traffic', () => {
    const register = (id: string, port: number, more: object) =>
      rig.consul.registerOnAgent({
        id,
        name: id.replace(/-\d$/, ''),
        address: `192.0.2.4${id.slice(-1)}`,
        port,
        ...more,
      });
    const secure = { meta: { secure: 'true' } };

    it('leaves the ports to those that are endpoints, which correct what was chosen before there were any', async () => {
      await register('ghost-1', 8081, { status: 'critical' });
      await register('ghost-2', 8081, { status: 'critical' });
      const ports = async () =>
        (await mirrored.service('ghost'))?.spec.ports.map(({ name, port }) => `${name} ${port}`);
      await untilEqual('a guess', ports, ['main 80', 'alias 8081']);
      await register('ghost-3', 9443, secure);
      await untilEqual('the ports of the endpoint', ports, ['main 443', 'alias 9443']);
      await untilEqual('its address', () => mirrored.addresses('ghost'), ['192.0.2.43:9443']);
      await rig.consul.setHealth('ghost-1', 'pass');
      await rig.consul.deregisterFromAgent('ghost-3');
      await untilEqual('the other', () => mirrored.addresses('ghost'), ['192.0.2.41:8081']);
      await untilIdle(daemon);
      expect(await ports()).toEqual(['main 443', 'alias 9443']);
    });

    it('makes a Service anew that was made without a ClusterIP, or with one, before there were endpoints', async () => {
      await register('reshaped-1', 5432, { status: 'critical' });
      const before = await until('the Service', () => mirrored.service('reshaped'));
      expect(before.spec.clusterIP).not.toBe('None');
      await register('reshaped-2', 5432, { meta: { 'consular-headless': 'true' } });
      await until('a headless one', async () => (await mirrored.service('reshaped'))?.spec.clusterIP === 'None');
      await untilEqual('its endpoint', () => mirrored.addresses('reshaped'), ['192.0.2.42:5432']);
      await untilEqual('Endpoints', () => mirrored.legacyAddresses('reshaped'), ['192.0.2.42:5432']);
    });

    it('makes it no endpoint while its weight is 0, which a warning can make it', async () => {
      const weights = { Passing: 10, Warning: 0 };
      await register('drained-1', 80, { weights });
      await register('drained-2', 80, { weights });
      await untilEqual('both', () => mirrored.addresses('drained'), ['192.0.2.41:80', '192.0.2.42:80']);
      await rig.consul.setHealth('drained-1', 'warn');
      await untilEqual('one', () => mirrored.addresses('drained'), ['192.0.2.42:80']);
      await rig.consul.setHealth('drained-1', 'pass');
      await untilEqual('both again', () => mirrored.addresses('drained'), ['192.0.2.41:80', '192.0.2.42:80']);
    });
  });

  it('makes Services for its tags, where the settings say so, which follow from one instance to another', async () => {
    const register = (last: number, tags: string[]) =>
      rig.consul.registerOnAgent({
        ...{ id: `pgsql-${last}`, name: 'pgsql-main', address: `192.0.2.7${last}`, port: 5432, tags },
      });
    const at = (...lasts: number[]) => lasts.map((last) => `192.0.2.7${last}:5432`);
    await register(1, ['master']);
    await register(2, ['replica']);
    await register(3, ['replica']);
    await rig.consul.registerOnAgent({ id: 'exporter', name: 'pgsql-exporter', address: '192.0.2.79', port: 9187 });
    await untilEqual('all', () => mirrored.addresses('pgsql-main'), at(1, 2, 3));
    await untilEqual('the master', () => mirrored.addresses('pgsql-main-master'), at(1));
    await untilEqual('the replicas', () => mirrored.addresses('pgsql-main-replica'), at(2, 3));
    await untilEqual('v1 Endpoints', () => mirrored.legacyAddresses('pgsql-main-replica'), at(2, 3));
    const before = await mirrored.service('pgsql-main-master');
    expect(before?.spec.ports.map(({ port }) => port)).toEqual([80, 5432]);

    await register(1, []);
    await untilEqual('no master', () => mirrored.addresses('pgsql-main-master'), []);
    await register(2, ['master']);
    await untilEqual('the new master', () => mirrored.addresses('pgsql-main-master'), at(2));
    await untilEqual('the other replica', () => mirrored.addresses('pgsql-main-replica'), at(3));
    const after = await mirrored.service('pgsql-main-master');
    expect(after?.metadata.uid).toBe(before?.metadata.uid);

    await rig.kubernetes.must('POST', `/api/v1/namespaces/${rig.namespace}/services`, {
      metadata: { name: 'db', annotations: { 'consular.dev/import': 'pgsql-main/master' } },
      spec: { ports: [{ port: 5432 }] },
    });
    await untilEqual('what takes the master in', () => mirrored.addresses('db'), at(2));

    for (const last of [1, 2, 3]) await rig.consul.deregisterFromAgent(`pgsql-${last}`);
    for (const name of ['pgsql-main', 'pgsql-main-master', 'pgsql-main-replica'])
      await until(`no Service ${name}`, async () => (await mirrored.service(name)) === undefined);
    expect(await mirrored.names()).not.toContain('pgsql-exporter-master');
  });

  it('keeps no virtual machine out because of a tag that consul-k8s uses too', async () => {
    await rig.consul.registerOnAgent({
      ...{ id: 'tagged', name: 'tagged', address: '192.0.2.60', port: 80, tags: ['k8s', 'prod'] },
    });
    await untilEqual('the machine', () => mirrored.addresses('tagged'), ['192.0.2.60:80']);
  });

  it('makes its ports and endpoints those of UDP, beside TCP where the service speaks both', async () => {
    const ports = async (name: string) =>
      (await mirrored.service(name))?.spec.ports.map(({ protocol, port }) => `${port}/${protocol}`);
    const inSlices = async (name: string) =>
      (await mirrored.slices(name))
        .flatMap(({ ports, endpoints }) =>
          (endpoints ?? []).map(
            ({ addresses }) => `${addresses.join()}:${ports[0]?.port ?? 0}/${ports[0]?.protocol ?? ''}`,
          ),
        )
        .sort();
    const udp = { id: 'host1:statsd:8125:udp', name: 'statsd', address: '192.0.2.51', port: 8125, tags: ['udp'] };
    await rig.consul.registerOnAgent(udp);
    await untilEqual('UDP endpoints', () => inSlices('statsd'), ['192.0.2.51:8125/UDP']);
    expect(await ports('statsd')).toEqual(['80/UDP', '8125/UDP']);
    await rig.consul.registerOnAgent({ ...udp, id: 'host1:statsd:8125', tags: [] });
    await untilEqual('both', () => inSlices('statsd'), ['192.0.2.51:8125/TCP', '192.0.2.51:8125/UDP']);
    await untilEqual('ports of both', () => ports('statsd'), ['80/TCP', '8125/TCP', '80/UDP', '8125/UDP']);
    await untilEqual('v1 Endpoints of both', () => mirrored.legacyAddresses('statsd'), [
      ...['192.0.2.51:8125', '192.0.2.51:8125'],
    ]);
    await untilIdle(daemon);
    const before = await mirrored.all('statsd');
    await rig.consul.setHealth('host1:statsd:8125', 'fail');
    await untilEqual('UDP alone', () => inSlices('statsd'), ['192.0.2.51:8125/UDP']);
    await rig.consul.setHealth('host1:statsd:8125', 'pass');
    await untilEqual('both again', () => inSlices('statsd'), ['192.0.2.51:8125/TCP', '192.0.2.51:8125/UDP']);
    expect((await mirrored.service('statsd'))?.metadata).toEqual((before as { service: Manifest }).service.metadata);
  });

  describe('that it is the management entry of a Spring application', () => {
    const register = (name: string, id: string, address: string, tags: string[] = []) =>
      rig.consul.registerOnAgent({ id, name, address, port: 8081, tags });

    it('keeps it out of Kubernetes, and an application that is only called like one is mirrored', async () => {
      await register('orders', 'orders-1', '192.0.2.30');
      await register('orders-mgmt', 'orders-1-mgmt', '192.0.2.30');
      await register('bills-mgmt', 'bills-mgmt', '192.0.2.31', ['management']);
      await register('user-management', 'user-management', '192.0.2.32');
      await register('edge-sidecar-proxy', 'edge-sidecar-proxy', '192.0.2.33');
      await untilEqual('the application', () => mirrored.addresses('user-management'), ['192.0.2.32:8081']);
      await untilEqual('no proxy', () => mirrored.addresses('edge-sidecar-proxy'), ['192.0.2.33:8081']);
      await untilEqual('orders', () => mirrored.addresses('orders'), ['192.0.2.30:8081']);
      await untilIdle(daemon);
      const names = await mirrored.names();
      expect(names.filter((name) => name.endsWith('-mgmt'))).toEqual([]);
    });

    it('does not count where the settings have its name', async () => {
      await register('named-mgmt', 'named-mgmt', '192.0.2.34', ['management']);
      await untilEqual('the entry', () => mirrored.addresses('named-mgmt'), ['192.0.2.34:8081']);
    });
  });
});

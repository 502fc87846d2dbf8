import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** Which services and which of their instances Kubernetes sees. */
describe('what is mirrored', () => {
  let rig: Rig;
  let mirrored: Mirrored;

  beforeAll(async () => {
    rig = await openRig();
    mirrored = new Mirrored(rig);
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  /** Something that comes after everything else, so that what is not there by then does not come. */
  async function untilMoved(name: string): Promise<void> {
    await rig.consul.registerOnAgent({ id: name, name, address: '192.0.2.200', port: 80 });
    await untilEqual('the last service', () => mirrored.addresses(name), ['192.0.2.200:80']);
  }

  it('is what lives outside Kubernetes: a pod that registers itself too, and nothing of consul-k8s', async () => {
    const { consul, kubernetes, namespace } = rig;
    const [self, other] = [nextPodIP(), nextPodIP()];
    const inCatalog = (id: string, service: string, more: object) =>
      consul.must('PUT', '/catalog/register', {
        Node: 'k8s-sync',
        Address: '127.0.0.1',
        Service: { ID: id, Service: service, Address: '10.9.9.9', Port: 80, ...more },
      });
    await kubernetes.createPod(namespace, 'self', { ip: self });
    await consul.registerOnAgent({ id: 'self', name: 'self', address: self, port: 8080 });
    await inCatalog('by-meta', 'synced-by-meta', { Meta: { 'external-source': 'kubernetes' } });
    const synced = { Tags: ['k8s', 'blue'], Meta: { 'external-source': 'changed', 'external-k8s-ns': 'shop' } };
    await inCatalog('by-namespace', 'synced-by-namespace', synced);
    await inCatalog('mesh', 'of-the-mesh', { Meta: { 'managed-by': 'consul-k8s-endpoints-controller' } });
    await inCatalog('mixed-pod', 'mixed', { Tags: ['k8s'], Meta: { 'external-source': 'kubernetes' } });
    await consul.registerOnAgent({ id: 'mixed-vm', name: 'mixed', address: '192.0.2.101', port: 80 });
    // Its management port, as Spring registers it.
    await consul.registerOnAgent({ id: 'mixed-vm-management', name: 'mixed-management', address: other, port: 81 });
    const daemon = await rig.startDaemon();
    await untilEqual('the pod that registered itself', () => mirrored.addresses('self'), [`${self}:8080`]);
    await untilEqual('the machine', () => mirrored.addresses('mixed'), ['192.0.2.101:80']);
    await untilIdle(daemon);
    expect(await mirrored.names()).toEqual(['mixed', 'self']);
    await daemon.stop();
  });

  it('can be what has certain tags and meta, is passing, and of other clusters too', async () => {
    const { consul } = rig;
    const meta = { environment: 'production' };
    const register = (id: string, more: object) =>
      consul.registerOnAgent({ id, name: 'chosen', address: `192.0.2.${id}`, port: 80, ...more });
    await register('111', { meta, tags: ['kubernetes'] });
    await register('112', { meta, tags: ['other'] });
    await register('113', { meta: { environment: 'test' }, tags: ['kubernetes'] });
    await register('114', { meta, tags: ['kubernetes', 'more'], status: 'warning' });
    await register('115', {
      meta: { ...meta, 'managed-by': 'consular', 'k8s-cluster': 'other' },
      tags: ['kubernetes'],
    });
    const daemon = await rig.startDaemon({
      toKubernetes: {
        removalGrace: '0s',
        requiredTags: ['kubernetes'],
        requiredMeta: ['environment=prod*'],
        minHealth: 'passing',
        otherClusters: true,
      },
    });
    await untilEqual('those that qualify', () => mirrored.addresses('chosen'), ['192.0.2.111:80', '192.0.2.115:80']);
    // What the settings exclude now goes as if Consul did not have it.
    await until('no others', async () => (await mirrored.names()).join() === 'chosen');
    await consul.setHealth('114', 'pass');
    await untilEqual('the third', () => mirrored.addresses('chosen'), [
      '192.0.2.111:80',
      '192.0.2.114:80',
      '192.0.2.115:80',
    ]);
    await register('111', { meta, tags: [] });
    await untilEqual('without what lost its tag', () => mirrored.addresses('chosen'), [
      '192.0.2.114:80',
      '192.0.2.115:80',
    ]);
    await daemon.stop();
  });

  it('is not what another cluster registered, unless the settings say so', async () => {
    const daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s' } });
    await untilEqual('the others of the service', () => mirrored.addresses('chosen'), [
      '192.0.2.111:80',
      '192.0.2.112:80',
      '192.0.2.113:80',
      '192.0.2.114:80',
    ]);
    await untilMoved('last');
    await daemon.stop();
  });

  it('has a copy in each of several namespaces, and one that cannot be written to costs only itself', async () => {
    const { kubernetes, consul, namespace } = rig;
    const [second, missing] = [`${namespace}-2`, `${namespace}-missing`];
    await kubernetes.createNamespace(second);
    const daemon = await rig.startDaemon({
      toKubernetes: { namespaces: [missing, namespace, second], services: { include: ['chosen'] }, removalGrace: '0s' },
    });
    const copy = new Mirrored(rig, second);
    const all = await mirrored.addresses('chosen');
    await untilEqual('the second', () => copy.addresses('chosen'), all);
    await consul.setHealth('111', 'fail');
    const healthy = all.filter((address) => address !== '192.0.2.111:80');
    for (const place of [mirrored, copy]) {
      await untilEqual('without the critical one', () => place.addresses('chosen'), healthy);
      await untilEqual('v1 Endpoints', () => place.legacyAddresses('chosen'), healthy);
    }
    await daemon.stop();
    const less = await rig.startDaemon({
      toKubernetes: { namespaces: [namespace], services: { include: ['chosen'] }, removalGrace: '10m' },
    });
    await until('no copy', async () => (await copy.names()).length === 0);
    expect(await mirrored.addresses('chosen')).toEqual(healthy);
    await less.stop();
  });
});

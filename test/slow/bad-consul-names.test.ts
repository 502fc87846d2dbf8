import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/**
 * Rows of test/unit/to-kubernetes/bad-input.test.ts that are about whole services: their names, how many there are, and
 * whose they are.
 */

const LIMIT = 30;
let rig: Rig;
let daemon: Daemon;
let mirrored: Mirrored;

/** Sweeps at their own pace: each of them reads 10 000 instances. */
const SETTINGS = { toKubernetes: { removalGrace: '0s', maxServices: LIMIT }, timings: { sweepPace: undefined } };

beforeAll(async () => {
  rig = await openRig();
  mirrored = new Mirrored(rig);
  await rig.consul.registerOnAgent({ id: 'beside', name: 'beside', address: '198.51.100.9', port: 80 });
  daemon = await rig.startDaemon(SETTINGS);
}, 60_000);
afterAll(() => rig.close(), 30_000);

const register = (service: string, last: number, more: object = {}, node = 'farm') =>
  rig.consul.must('PUT', '/catalog/register', {
    ...{ Node: node, Address: '198.51.100.1', SkipNodeUpdate: true },
    Service: { ID: `${service}-${last}`, Service: service, Address: `198.51.100.${last}`, Port: 80, ...more },
  });
const hashed = async (start: string) =>
  (await mirrored.names()).filter((name) => name.startsWith(start) && /-[0-9a-f]{8}$/.test(name));

/** Another service is followed as ever. */
async function expectBesideFollowed(): Promise<void> {
  await rig.consul.setHealth('beside', 'fail');
  await untilEqual('without endpoints', () => mirrored.addresses('beside'), []);
  await rig.consul.setHealth('beside', 'pass');
  await untilEqual('with its endpoint', () => mirrored.addresses('beside'), ['198.51.100.9:80']);
}

describe('names', () => {
  it.each([
    ['Upper.And_Lower', 'upper-and-lower'],
    ['with some spaces', 'with-some-spaces'],
    ['9lives', 's-9lives'],
    ['../agent?dc=x#y', 'agent-dc-x-y'],
    ['a%2fb', 'a-2fb'],
  ])('B33: %j is read as it is and becomes %s', async (name, label) => {
    await register(name, 1);
    await register(name, 2);
    await untilEqual('its instances', () => mirrored.addresses(label), ['198.51.100.1:80', '198.51.100.2:80']);
    expect((await mirrored.service(label))?.metadata.annotations).toMatchObject({
      'consular.dev/consul-service': name,
    });
    await expectBesideFollowed();
  });

  it('B34: the first keeps the name that two become, and the other one is reported', async () => {
    await register('same.name', 1);
    await untilEqual('the first', () => mirrored.addresses('same-name'), ['198.51.100.1:80']);
    const first = await mirrored.all('same-name');
    await register('same_name', 2);
    const [second = ''] = await until('the second', async () => {
      const names = await hashed('same-name');
      return names.length === 1 && names;
    });
    await untilEqual('its instance', () => mirrored.addresses(second), ['198.51.100.2:80']);
    await until('an Event', async () =>
      (await mirrored.events(second)).some(({ reason }) => reason === 'NameCollision'),
    );
    await untilIdle(daemon);
    expect(await mirrored.all('same-name')).toEqual(first);
    await expectBesideFollowed();
  });

  it("B35: somebody's Service with the name is reported and never touched", async () => {
    const { kubernetes, namespace } = rig;
    await kubernetes.must('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name: 'kube-dns' },
      spec: { ports: [{ port: 53 }], selector: { app: 'dns' } },
    });
    const before = await mirrored.service('kube-dns');
    await register('kube-dns', 1);
    await until('an Event', async () =>
      (await mirrored.events('kube-dns')).some(({ reason }) => reason === 'NameConflict'),
    );
    await expectBesideFollowed();
    expect(await mirrored.service('kube-dns')).toEqual(before);
    expect(await mirrored.addresses('kube-dns')).toEqual([]);
    // It takes a place of those that the settings allow, as if it were mirrored.
    await rig.consul.deregisterFromCatalog({ node: 'farm', id: 'kube-dns-1' });
  });

  it('B36: two that are too long and begin alike are two, and stay what they are over a restart', async () => {
    const long = 'l'.repeat(100);
    await register(`${long}1`, 1);
    await register(`${long}2`, 2);
    const both = await until('both', async () => {
      const names = await hashed('l'.repeat(54));
      return names.length === 2 && names;
    });
    const addresses = async () => Promise.all(both.map(async (name) => (await mirrored.addresses(name)).join()));
    await until(
      'their instances',
      async () => [...(await addresses())].sort().join() === '198.51.100.1:80,198.51.100.2:80',
    );
    const before = await addresses();
    await daemon.stop();
    daemon = await rig.startDaemon(SETTINGS);
    await untilIdle(daemon);
    expect([await hashed('l'.repeat(54)), await addresses()]).toEqual([both, before]);
    await expectBesideFollowed();
  });
});

describe('marks', () => {
  it('B49: what we registered is not mirrored, what we mirrored is not registered, and a neighbour is', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'both', { ip, annotations: { 'consular.dev/service-name': 'both' } });
    await untilEqual('the pod', () => consul.summary('both'), [`${ip}:8080 passing`]);
    await register('both', 1);
    await untilEqual('the machine alone', () => mirrored.addresses('both'), ['198.51.100.1:80']);
    await kubernetes.must('PATCH', mirrored.path('services', 'both'), {
      metadata: { annotations: { 'consular.dev/service-name': 'again' } },
    });
    await kubernetes.createPod(namespace, 'last', { annotations: { 'consular.dev/service-name': 'last' } });
    await until('what came later', async () => (await consul.summary('last')).length === 1);
    await untilIdle(daemon);
    expect(await consul.summary('again')).toEqual([]);
    expect(await mirrored.addresses('both')).toEqual(['198.51.100.1:80']);
    await expectBesideFollowed();
  });

  it("B50 and B51: another cluster's and a forged one are neither mirrored nor touched, and their neighbour is mirrored", async () => {
    const { consul, cluster, namespace } = rig;
    const marks = (name: string) => ({
      ...{ 'managed-by': 'consular', 'k8s-cluster': name },
      ...{ 'k8s-namespace': namespace, 'k8s-pod': 'nobody', 'k8s-pod-uid': 'unheard-of' },
    });
    await register('marked', 1, { Meta: marks('other') });
    await register('marked', 2, { Meta: marks(cluster) });
    const before = (await consul.instances('marked')).map(({ Service }) => Service.ModifyIndex);
    await register('marked', 3);
    await untilEqual('the neighbour', () => mirrored.addresses('marked'), ['198.51.100.3:80']);
    await expectBesideFollowed();
    await daemon.stop();
    daemon = await rig.startDaemon(SETTINGS);
    await untilIdle(daemon);
    const after = (await consul.instances('marked')).map(({ Service }) => Service.ModifyIndex);
    expect(after.slice(0, 2)).toEqual(before);
    expect(await mirrored.addresses('marked')).toEqual(['198.51.100.3:80']);
  });

  it('B51: one that was put on a node of ours is not mirrored either, and its neighbour stays as it is', async () => {
    const { kubernetes, consul, cluster, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'real', {
      ...{ ip, node: 'node-1' },
      annotations: { 'consular.dev/service-name': 'real' },
    });
    await untilEqual('the pod', () => consul.summary('real'), [`${ip}:8080 passing`]);
    const Meta = {
      ...{ 'managed-by': 'consular', 'k8s-cluster': cluster },
      ...{ 'k8s-namespace': namespace, 'k8s-pod': 'nobody', 'k8s-pod-uid': 'unheard-of' },
    };
    await register('real', 2, { Meta }, `k8s-${cluster}--node-1`);
    await until('two', async () => (await consul.instances('real')).length === 2);
    await expectBesideFollowed();
    await untilIdle(daemon);
    expect(await consul.summary('real')).toContain(`${ip}:8080 passing`);
    expect(await mirrored.service('real')).toBeUndefined();
  });
});

describe('numbers', () => {
  /** In transactions, as many at a time as Consul takes. */
  async function registerMany(
    entries: readonly { readonly service: string; readonly address: string }[],
  ): Promise<void> {
    const operations = entries.map(({ service, address }) => ({
      Service: {
        Verb: 'set',
        Node: 'farm',
        Service: { ID: `${service}-${address}`, Service: service, Address: address, Port: 80 },
      },
    }));
    for (let first = 0; first < operations.length; first += 60)
      await rig.consul.must('PUT', '/txn', operations.slice(first, first + 60));
  }
  const addressOf = (i: number) => `198.18.${i >> 8}.${i & 255}`;

  it('B44: a service with 10 000 instances is mirrored whole, and others are followed meanwhile', async () => {
    const entries = Array.from({ length: 10_000 }, (_, i) => ({ service: 'crowd', address: addressOf(i) }));
    const registered = registerMany(entries);
    await expectBesideFollowed();
    await registered;
    await until('all of them', async () => (await mirrored.addresses('crowd')).length === entries.length, 90_000);
    await untilIdle(daemon);
    expect(Math.max(...(await mirrored.slices('crowd')).map(({ endpoints }) => endpoints?.length ?? 0))).toBe(100);
    await expectBesideFollowed();
  });

  it('B44: of 10 000 services as many as the settings allow are mirrored, and those that are stay', async () => {
    const before = await mirrored.names();
    expect(before.length).toBeLessThan(LIMIT);
    await registerMany(Array.from({ length: 10_000 }, (_, i) => ({ service: `s${i}`, address: addressOf(i) })));
    await untilEqual('as many as may be', async () => (await mirrored.names()).length, LIMIT, 90_000);
    await expectBesideFollowed();
    await untilIdle(daemon);
    const names = await mirrored.names();
    expect(names).toEqual(expect.arrayContaining(before));
    expect(names).toHaveLength(LIMIT);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Asked } from '../rig/asked.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { openRig, until, untilEqual, untilIdle, type Daemon, type Manifest, type Rig } from '../rig/index.ts';

interface SliceManifest extends Manifest {
  readonly endpoints: { addresses: string[] }[] | null;
}

/** One direction only: nothing is in Consul that the tests did not put there. */
const SETTINGS = { toConsul: { enabled: false }, toKubernetes: { removalGrace: '0s' } };
const NODES = 10;
const SERVICES = Array.from({ length: 60 }, (_, i) => `many-${String(i).padStart(3, '0')}`);
const nodeOf = (name: string) => `vm-${Number(name.slice(-3)) % NODES}`;
const addressOf = (name: string, instance = 1) => `192.0.${instance}.${1 + Number(name.slice(-3))}`;

/** As somebody registers an application on a virtual machine; again with another status or output to change that. */
function register({ consul }: Rig, name: string, status = 'passing', output = 'all is well', instance = 1) {
  const ID = `${name}-${instance}`;
  return consul.must('PUT', '/catalog/register', {
    Node: nodeOf(name),
    Address: '192.0.2.1',
    Service: { ID, Service: name, Address: addressOf(name, instance), Port: 8080 },
    Check: { CheckID: `service:${ID}`, Name: 'health', Status: status, Output: output, ServiceID: ID },
  });
}

function deregister({ consul }: Rig, name: string, instance = 1) {
  return consul.deregisterFromCatalog({ node: nodeOf(name), id: `${name}-${instance}` });
}

function setNodeHealth({ consul }: Rig, node: string, status: string) {
  return consul.must('PUT', '/catalog/register', {
    Node: node,
    SkipNodeUpdate: true,
    Address: '192.0.2.1',
    Check: { CheckID: 'disk', Name: 'disk', Status: status },
  });
}

async function addresses({ kubernetes, namespace }: Rig, name: string): Promise<string[]> {
  const selector = `labelSelector=kubernetes.io/service-name%3D${name}`;
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?${selector}`;
  const slices = (await kubernetes.list(path)) as SliceManifest[];
  return slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)).sort();
}

/** The versions of all objects of the mirror but those about these services: any write at all shows. */
async function versions({ kubernetes, namespace }: Rig, ...except: string[]): Promise<string[]> {
  const kinds = ['/api/v1|services', '/apis/discovery.k8s.io/v1|endpointslices', '/api/v1|endpoints'];
  const lists = kinds.map((kind) => kubernetes.list(kind.replace('|', `/namespaces/${namespace}/`)));
  return (await Promise.all(lists))
    .flat()
    .filter(({ metadata }) => !except.includes(metadata.annotations?.['consular.dev/consul-service'] ?? ''))
    .map(({ metadata }) => `${metadata.name} ${metadata.uid} ${metadata.resourceVersion}`)
    .sort();
}

describe('more services than long polls', () => {
  let rig: Rig;
  let proxy: FaultProxy;
  let asked: Asked;
  let daemon: Daemon;
  /** Names with a long poll of their own, and names without; each test takes those that it changes away. */
  let followed: string[];
  let others: string[];
  const take = (names: string[]) => names.shift() ?? 'none left';

  beforeAll(async () => {
    rig = await openRig();
    for (const name of SERVICES) await register(rig, name);
    // Consular's own entry, when it is written for the first time, is one more service, for which all others are read again.
    await (await rig.startDaemon(SETTINGS)).stop();
    proxy = await FaultProxy.open(rig.consul.address, '');
    asked = new Asked(proxy);
    daemon = await rig.startDaemon({ ...SETTINGS, consulAddress: proxy.address });
    await until('40 long polls', () => Promise.resolve(asked.followed(SERVICES).length === 40));
    await untilIdle(daemon);
    followed = asked.followed(SERVICES);
    others = SERVICES.filter((name) => !followed.includes(name));
  }, 120_000);
  afterAll(async () => {
    await rig.close();
    await proxy.close();
  }, 30_000);

  /** Makes the service critical and passing again: what the daemon had to notice before, it has noticed. */
  async function flip(name: string): Promise<void> {
    await register(rig, name, 'critical');
    await untilEqual(`${name} without endpoints`, () => addresses(rig, name), []);
    await register(rig, name);
    await untilEqual(`${name} with its endpoint`, () => addresses(rig, name), [addressOf(name)]);
  }

  it('has read each once, and is far from the connections that Consul allows', async () => {
    expect(SERVICES.map((name) => asked.reads(name))).toEqual(SERVICES.map(() => 1));
    expect(asked.sweeps()).toBe(1);
    expect(await proxy.connections()).toBeLessThan(80);
  });

  it('reads only the service whose health changed', async () => {
    const [one, another] = [take(others), take(followed)];
    const before = { reads: asked.readsBut(one, another), sweeps: asked.sweeps() };
    await flip(one);
    await flip(another);
    expect(asked.reads(one)).toBeGreaterThanOrEqual(3);
    expect(asked.reads(another)).toBe(1);
    expect({ reads: asked.readsBut(one, another), sweeps: asked.sweeps() }).toEqual(before);
  });

  it('goes on sending traffic to an instance that warns', async () => {
    const name = take(others);
    await untilIdle(daemon);
    const before = { versions: await versions(rig), reads: asked.reads(name) };
    await register(rig, name, 'warning');
    await until('the read', () => Promise.resolve(asked.reads(name) > before.reads));
    await untilIdle(daemon);
    expect(await versions(rig)).toEqual(before.versions);
    await register(rig, name, 'critical');
    await untilEqual('without endpoints', () => addresses(rig, name), []);
    await register(rig, name, 'warning');
    await untilEqual('with its endpoint', () => addresses(rig, name), [addressOf(name)]);
  });

  it('neither writes nor reads for what checks put out', async () => {
    const [quiet, marker, talkative] = [take(others), take(others), take(followed)];
    await untilIdle(daemon);
    const before = { versions: await versions(rig, marker), sweeps: asked.sweeps(), polls: asked.longPolls(talkative) };
    for (let i = 0; i < 30; i++) {
      for (const name of [quiet, talkative]) await register(rig, name, 'passing', `took ${i} ms`);
      await flip(marker);
    }
    expect(await versions(rig, marker)).toEqual(before.versions);
    expect(asked.reads(quiet)).toBe(1);
    expect(asked.sweeps()).toBe(before.sweeps);
    // A burst of 10, then one in 30 seconds.
    expect(asked.longPolls(talkative) - before.polls).toBeLessThanOrEqual(12);
    // While its own long poll rests, its health is noticed by the lists, its instances by a sweep.
    expect(asked.reads(talkative)).toBe(1);
    await flip(talkative);
    await register(rig, talkative, 'passing', '', 2);
    const both = [addressOf(talkative), addressOf(talkative, 2)];
    await untilEqual('the new instance', () => addresses(rig, talkative), both);
    expect(asked.reads(talkative)).toBeGreaterThanOrEqual(4);
    await until('the end of the sweep', () => Promise.resolve(others.every((name) => asked.reads(name) > 1)));
  });

  it('does not believe an answer that a newer one overtook', async () => {
    const [name, marker] = [take(others), take(others)];
    const before = await versions(rig, marker);
    const held = asked.holdNextRead(name);
    await register(rig, name, 'critical');
    await until('the read that is late', () => Promise.resolve(held.isHeld()));
    const reads = asked.reads(name);
    await register(rig, name);
    await until('the read that is not', () => Promise.resolve(asked.reads(name) > reads));
    await flip(marker);
    expect(asked.confirmed(name)).toBe(0);
    held.letGo();
    await until('the question to the leader', () => Promise.resolve(asked.confirmed(name) === 1));
    await flip(marker);
    expect(await versions(rig, marker)).toEqual(before);
  });

  it('notices that a node is ill or in maintenance, and a service too', async () => {
    // One with services of both kinds, that no test has changed.
    const on = (node: string) => SERVICES.filter((name) => nodeOf(name) === node);
    const isIntact = (name: string) => followed.includes(name) || others.includes(name);
    const node = others.map(nodeOf).find((node) => on(node).every(isIntact)) ?? 'none left';
    const ill = on(node);
    expect(ill.filter((name) => followed.includes(name))).not.toEqual([]);
    await setNodeHealth(rig, node, 'critical');
    for (const name of ill) await untilEqual(`${name} without endpoints`, () => addresses(rig, name), []);
    await setNodeHealth(rig, node, 'passing');
    for (const name of ill)
      await untilEqual(`${name} with its endpoint`, () => addresses(rig, name), [addressOf(name)]);

    const { consul } = rig;
    for (const id of ['resting', 'awake'])
      await consul.registerOnAgent({ id, name: id, address: '192.0.2.50', port: 8080 });
    // An agent that could not tell the catalog tries again after 15 s at the earliest.
    const has = (name: string, ...expected: string[]) =>
      untilEqual(`addresses of ${name}`, () => addresses(rig, name), expected, 90_000);
    const maintain = (what: string, enable: boolean) => consul.must('PUT', `/agent/${what}?enable=${enable}`);
    for (const name of ['resting', 'awake']) await has(name, '192.0.2.50');
    await maintain('service/maintenance/resting', true);
    await has('resting');
    expect(await addresses(rig, 'awake')).toEqual(['192.0.2.50']);
    await maintain('maintenance', true);
    await has('awake');
    await maintain('maintenance', false);
    await has('awake', '192.0.2.50');
    await maintain('service/maintenance/resting', false);
    await has('resting', '192.0.2.50');
  });

  it('finds instances that came or went, all in one sweep', async () => {
    const names = others.splice(0, 5);
    for (const name of names) await register(rig, name, 'passing', '', 2);
    for (const name of names)
      await untilEqual(`${name} with both`, () => addresses(rig, name), [addressOf(name), addressOf(name, 2)]);
    for (const name of names) await deregister(rig, name);
    for (const name of names) await untilEqual(`${name} with one`, () => addresses(rig, name), [addressOf(name, 2)]);
  });

  it('tries again alone what could not be read', async () => {
    const [name, marker] = [take(others), take(others)];
    asked.fault = (path) => (path.startsWith(`/health/service/${name}`) ? { status: 500, text: 'not now' } : 'pass');
    const before = asked.reads(name);
    await register(rig, name, 'critical');
    await until('a try', () => Promise.resolve(asked.reads(name) > before));
    // From here on nothing asks for a sweep, but for the rest of a list that took long.
    await flip(marker);
    let [swept, tried] = [asked.sweeps(), asked.reads(name)];
    await until('two tries without a sweep', () => {
      if (asked.sweeps() !== swept) [swept, tried] = [asked.sweeps(), asked.reads(name)];
      return Promise.resolve(asked.reads(name) >= tried + 2);
    });
    expect(await addresses(rig, name)).toEqual([addressOf(name)]);
    asked.fault = () => 'pass';
    await untilEqual('read at last', () => addresses(rig, name), []);
  });

  it('stops to follow a service that goes', async () => {
    const { kubernetes, namespace } = rig;
    const [name, next] = [take(followed), take(followed)];
    await deregister(rig, name);
    const services = `/api/v1/namespaces/${namespace}/services`;
    await until('no Service', async () => (await kubernetes.find(`${services}/${name}`)) === undefined);
    const polls = asked.longPolls(name);
    // A long poll about a name that does not exist would wake with each of these.
    await deregister(rig, next);
    await until('no Service either', async () => (await kubernetes.find(`${services}/${next}`)) === undefined);
    await register(rig, next);
    await untilEqual('back again', () => addresses(rig, next), [addressOf(next)]);
    expect(asked.longPolls(name)).toBe(polls);
    await register(rig, name);
    await untilEqual('this one too', () => addresses(rig, name), [addressOf(name)]);
  });

  it('does not spin when Consul tells no index', async () => {
    const name = take(others);
    await untilIdle(daemon);
    const [start, lists] = [performance.now(), asked.nameLists()];
    asked.fault = (path) => (path.startsWith('/catalog/services') ? { without: 'x-consul-index' } : 'pass');
    // The question that is waiting already gets its index, the next one not.
    await register(rig, name, 'passing', '', 2);
    await until('the next list', () => Promise.resolve(asked.nameLists() > lists));
    await register(rig, name, 'passing', '', 3);
    const all = [1, 2, 3].map((instance) => addressOf(name, instance));
    await untilEqual('the new instances', () => addresses(rig, name), all);
    await until('more lists', () => Promise.resolve(asked.nameLists() >= lists + 5));
    const seconds = (performance.now() - start) / 1000;
    expect(asked.nameLists() - lists).toBeLessThanOrEqual(seconds + 2);
    asked.fault = () => 'pass';
  });

  // Last: Consul keeps the long polls of the daemon that was stopped, and takes only so many of one client.
  it('misses no change of health while it starts', async () => {
    await daemon.stop();
    const name = take(others);
    await register(rig, name, 'critical');
    const held = asked.holdNextRead(name);
    daemon = await rig.startDaemon({ ...SETTINGS, consulAddress: proxy.address, awaitStart: false });
    await until('the first read', () => Promise.resolve(held.isHeld()));
    const reads = asked.reads(name);
    await register(rig, name);
    // Before the late one is given up, which would be another read too.
    await until('another read', () => Promise.resolve(asked.reads(name) > reads), 10_000);
    held.letGo();
    await untilEqual('with its endpoint', () => addresses(rig, name), [addressOf(name)]);
  });
});

describe('services of pods', () => {
  it('are not read for the sake of mirroring, until somebody else has an instance', async () => {
    const rig = await openRig();
    const proxy = await FaultProxy.open(rig.consul.address, '');
    const asked = new Asked(proxy);
    try {
      const { kubernetes, namespace } = rig;
      await kubernetes.createPod(namespace, 'own', { annotations: { 'consular.dev/service-name': 'own' } });
      const first = await rig.startDaemon();
      await until('the pod in Consul', async () => (await rig.consul.summary('own')).length === 1);
      await untilIdle(first);
      await first.stop();
      await rig.startDaemon({ consulAddress: proxy.address });
      // Two sweeps, each after a wake that the name could have been meant by.
      for (const name of SERVICES.slice(0, 2)) {
        const sweeps = asked.sweeps();
        await register(rig, name);
        await untilEqual(`${name} mirrored`, () => addresses(rig, name), [addressOf(name)]);
        await until('a sweep', () => Promise.resolve(asked.sweeps() > sweeps));
      }
      expect(asked.reads('own')).toBe(0);
      await rig.consul.registerOnAgent({ id: 'own-vm', name: 'own', address: '192.0.2.51', port: 8080 });
      await untilEqual('the virtual machine', () => addresses(rig, 'own'), ['192.0.2.51']);
      await rig.consul.deregisterFromAgent('own-vm');
      await untilEqual('nothing of it', () => addresses(rig, 'own'), []);
    } finally {
      await rig.close();
      await proxy.close();
    }
  });
});

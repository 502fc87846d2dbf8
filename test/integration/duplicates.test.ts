import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  nextPodIP,
  openRig,
  until,
  untilEqual,
  untilIdle,
  type CatalogEntry,
  type Daemon,
  type Rig,
} from '../rig/index.ts';
import { WriterStage } from '../rig/writer-stage.ts';

const named = (name: string) => ({ 'consular.dev/service-name': name });
const SYNC_NODE = 'k8s-sync';

/** What consul-k8s writes for a pod: ours would have the same service, address and port. */
function entry(service: string, address: string, others: Partial<CatalogEntry> = {}): CatalogEntry {
  return { node: SYNC_NODE, id: `${service}-0123456789ab`, service, address, port: 8080, ...others };
}

describe('a pod that is in Consul already, by somebody else', () => {
  let rig: Rig;
  let daemon: Daemon;
  /** Registered before Consular starts: it must not depend on who is seen first. */
  const removed = entry('removed', nextPodIP());
  const failing = entry('failing', nextPodIP());
  const neighbours = entry('neighbours', nextPodIP());
  const elsewhere = entry('elsewhere', nextPodIP());
  const otherPort = entry('other-port', nextPodIP(), { port: 9090 });
  const dead = entry('dead', nextPodIP(), { status: 'critical' });
  const cased = entry('Cased', nextPodIP());
  const target = entry('moving', nextPodIP());
  const namedPorts = [
    { Name: 'http', Port: 8080, Default: true },
    { Name: 'admin', Port: 9000 },
  ];
  const manyPorts = entry('many-ports', nextPodIP(), { namedPorts });
  const byItself = { id: 'itself-1', name: 'itself', address: nextPodIP(), port: 8080 };

  beforeAll(async () => {
    rig = await openRig();
    for (const one of [removed, failing, neighbours, elsewhere, otherPort, dead, cased, target, manyPorts])
      await rig.consul.registerInCatalog(one);
    await rig.consul.registerOnAgent(byItself);
    daemon = await rig.startDaemon({ toKubernetes: { enabled: false } });
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const untilReported = (pod: string) =>
    until(`the Event about ${pod}`, async () =>
      (await rig.kubernetes.eventsAbout(rig.namespace, pod)).find(({ reason }) => reason === 'Duplicate'),
    );
  /** The instances of Consular's, as `address:port`. */
  const ours = async (service: string) =>
    (await rig.consul.instances(service))
      .filter(({ Service }) => Service.Meta['managed-by'] === 'consular')
      .map(({ Service }) => `${Service.Address}:${Service.Port}`)
      .sort();

  it('is reported and not added, and is added when the other entry is removed', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.createPod(namespace, 'removed', { ip: removed.address, annotations: named('removed') });
    const { note } = await untilReported('removed');
    expect(note).toContain(
      `instance "${removed.id}" on Consul node "${SYNC_NODE}" already is "removed" at ${removed.address}:8080`,
    );
    expect(await ours('removed')).toEqual([]);
    expect(await consul.summary('removed')).toEqual([`${removed.address}:8080 passing`]);
    await consul.deregisterFromCatalog(removed);
    await untilEqual('ours', () => ours('removed'), [`${removed.address}:8080`]);
  });

  it('is added when the other entry turns critical, which is left as it is', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.createPod(namespace, 'failing', { ip: failing.address, annotations: named('failing') });
    await untilReported('failing');
    await consul.registerInCatalog({ ...failing, status: 'critical' });
    await untilEqual('ours', () => ours('failing'), [`${failing.address}:8080`]);
    expect(await consul.summary('failing')).toEqual([
      `${failing.address}:8080 critical`,
      `${failing.address}:8080 passing`,
    ]);
  });

  it('is not added beside the registration of the application itself, before that goes', async () => {
    const { kubernetes, consul, namespace } = rig;
    await kubernetes.createPod(namespace, 'itself', { ip: byItself.address, annotations: named('itself') });
    await untilReported('itself');
    expect(await ours('itself')).toEqual([]);
    await consul.deregisterFromAgent(byItself.id);
    await untilEqual('ours', () => ours('itself'), [`${byItself.address}:8080`]);
  });

  it('is the same in any case of the name, as Consul looks it up', async () => {
    await rig.kubernetes.createPod(rig.namespace, 'cased', { ip: cased.address, annotations: named('cased') });
    await untilReported('cased');
    expect(await ours('cased')).toEqual([]);
  });

  it.each([
    ['the default of several named ports', 'http', 8080],
    ['another of several named ports', 'admin', 9000],
  ])('is the same at %s, as consul-k8s registers since 1.9.0', async (_, port, number) => {
    const { kubernetes, consul, namespace } = rig;
    const pod = `many-ports-${port}`;
    await consul.registerInCatalog(manyPorts);
    await kubernetes.createPod(namespace, pod, {
      ip: manyPorts.address,
      ports: [
        { name: 'http', containerPort: 8080 },
        { name: 'admin', containerPort: 9000 },
      ],
      annotations: { ...named('many-ports'), 'consular.dev/service-port': port },
    });
    await untilReported(pod);
    expect(await ours('many-ports')).toEqual([]);
    await consul.deregisterFromCatalog(manyPorts);
    await untilEqual('ours', () => ours('many-ports'), [`${manyPorts.address}:${number}`]);
    await kubernetes.deletePod(namespace, pod);
    await untilEqual('none', () => ours('many-ports'), []);
  });

  it('is none when the other entry has another address or port, or is critical from the start', async () => {
    const { kubernetes, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'elsewhere', { ip, annotations: named('elsewhere') });
    await kubernetes.createPod(namespace, 'other-port', { ip: otherPort.address, annotations: named('other-port') });
    await kubernetes.createPod(namespace, 'dead', { ip: dead.address, annotations: named('dead') });
    await untilEqual('at another address', () => ours('elsewhere'), [`${ip}:8080`]);
    await untilEqual('at another port', () => ours('other-port'), [`${otherPort.address}:8080`]);
    await untilEqual('beside a critical entry', () => ours('dead'), [`${dead.address}:8080`]);
    for (const pod of ['elsewhere', 'other-port', 'dead'])
      expect(await kubernetes.eventsAbout(namespace, pod)).toEqual([]);
  });

  it('holds up no other pod, of its service or of another of its own services', async () => {
    const { kubernetes, namespace } = rig;
    await kubernetes.createPod(namespace, 'held-up', {
      ip: neighbours.address,
      ports: [
        { name: 'http', containerPort: 8080 },
        { name: 'admin', containerPort: 9000 },
      ],
      annotations: { ...named('neighbours'), 'consular.dev/service-name.admin': 'neighbours-admin' },
    });
    await untilReported('held-up');
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'free', { ip, annotations: named('neighbours') });
    await untilEqual('the neighbour', () => ours('neighbours'), [`${ip}:8080`]);
    await untilEqual('the other service', () => ours('neighbours-admin'), [`${neighbours.address}:9000`]);
  });

  it('keeps the instance that was there first when another entry for it appears', async () => {
    const { kubernetes, consul, namespace } = rig;
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'first', { ip, annotations: named('first') });
    await untilEqual('ours', () => ours('first'), [`${ip}:8080`]);
    await consul.registerInCatalog(entry('first', ip));
    await kubernetes.annotate(namespace, 'first', { 'consular.dev/service-tags': 'later' });
    await until('the change', async () =>
      (await consul.instances('first')).some(({ Service }) => Service.Tags.includes('later')),
    );
    expect(await consul.summary('first')).toEqual([`${ip}:8080 passing`, `${ip}:8080 passing`]);
    expect(await kubernetes.eventsAbout(namespace, 'first')).toEqual([]);
  });

  it('is no obstacle to a pod that moves away from it, and one to a pod that moves to it', async () => {
    const { kubernetes, consul, namespace } = rig;
    const before = nextPodIP();
    const after = nextPodIP();
    await kubernetes.createPod(namespace, 'moving', { ip: before, annotations: named('moving') });
    await untilEqual('ours', () => ours('moving'), [`${before}:8080`]);
    await consul.registerInCatalog(entry('moving', before, { id: 'moving-behind' }));
    await kubernetes.setPodStatus(namespace, 'moving', { ip: after });
    await untilEqual('ours at the new address', () => ours('moving'), [`${after}:8080`]);
    await kubernetes.setPodStatus(namespace, 'moving', { ip: target.address });
    await untilReported('moving');
    await untilEqual('none of ours at an address that the pod has left', () => ours('moving'), []);
    await consul.deregisterFromCatalog(target);
    await untilEqual('ours again', () => ours('moving'), [`${target.address}:8080`]);
  });

  it('is one to a pod that moved to it while Consular was away', async () => {
    const { kubernetes, consul, namespace } = rig;
    const away = entry('away', nextPodIP());
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'away', { ip, annotations: named('away') });
    await untilEqual('ours', () => ours('away'), [`${ip}:8080`]);
    await daemon.stop();
    await consul.registerInCatalog(away);
    await kubernetes.setPodStatus(namespace, 'away', { ip: away.address });
    daemon = await rig.startDaemon({ toKubernetes: { enabled: false } });
    await untilIdle(daemon);
    expect(await consul.summary('away')).toEqual([`${away.address}:8080 passing`]);
    await untilReported('away');
    expect(await ours('away')).toEqual([]);
  });
});

/** Longer than is believed what was read of who else has a service. */
const STALE_MS = 3000;

describe('a pod whose service others have too', () => {
  let stage: WriterStage;

  beforeAll(async () => {
    stage = await WriterStage.open();
    // Before the daemon starts: so it knows from the beginning that there are others.
    await stage.rig.consul.registerOnAgent({ id: 'shared-vm', name: 'shared', address: '192.0.2.70', port: 8080 });
    await stage.start({ toKubernetes: { enabled: false } });
  }, 60_000);
  afterAll(() => stage.close(), 30_000);

  it('is not lost when what was read of them is old by the time it can be sent: they are read again', async () => {
    const { proxy } = stage;
    let reads = 0;
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    proxy.readFault = (path) => (path.startsWith('/health/service/shared') && ++reads === 1 ? { held } : 'pass');
    await stage.createPods('shared', 1);
    await until('a read of the others', () => Promise.resolve(reads === 1));
    const gate = await stage.occupy();
    answer();
    // Nothing else makes an answer old.
    await sleep(STALE_MS);
    const written = () => stage.transactionsOf(stage.idOf('shared-0', 'shared')).map(({ status }) => status);
    expect(written()).toEqual([]);
    gate.release();
    await untilEqual('its transaction', () => Promise.resolve(written()), [200]);
    expect(reads).toBeGreaterThan(1);
    await untilIdle(stage.daemon);
    expect(written()).toEqual([200]);
  });
});

describe('more names that others have too than are followed', () => {
  it('are taken over when the duplicates go, although virtual machines stay', async () => {
    const rig = await openRig();
    const { kubernetes, consul, namespace } = rig;
    try {
      const theirs = Array.from({ length: 30 }, (_, i) => entry(`shared-${i}`, nextPodIP()));
      for (const { service } of theirs)
        await consul.registerInCatalog({ node: 'vm', id: service, service, address: '192.0.2.1', port: 80 });
      for (const one of theirs) await consul.registerInCatalog(one);
      const daemon = await rig.startDaemon({ toKubernetes: { enabled: false } });
      for (const { service, address } of theirs)
        await kubernetes.createPod(namespace, service, { ip: address, annotations: named(service) });
      // Not all get an Event at once: there is a limit to how many are written.
      const reported = () => daemon.records.filter(({ reason }) => reason === 'Duplicate').length;
      await until('all reported', () => Promise.resolve(reported() === theirs.length));
      await untilIdle(daemon);
      const all = async () => (await Promise.all(theirs.map(({ service }) => consul.summary(service)))).flat().sort();
      const before = await all();
      for (const one of theirs) await consul.deregisterFromCatalog(one);
      await untilEqual('ours in their place', all, before);
    } finally {
      await rig.close();
    }
  });
});

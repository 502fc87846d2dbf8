import { describe, expect, it } from '@jest/globals';
import { ConsulApi } from '../rig/consul.ts';
import { startConsul } from '../control-plane/index.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { nextPodIP, openRig, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** What happens to mirrored Services when time goes back in Consul: what is missing may only not be back yet. */

const OLD = ['old-0', 'old-1', 'old-2'];
const NEW = Array.from({ length: 10 }, (_, i) => `new-${i}`);
const addressOf = (service: string) => `192.0.2.${service.startsWith('old') ? 10 : 20 + Number(service.slice(4))}`;
const toKubernetes = { removalGrace: '0s' };

const register = ({ consul }: Rig, service: string) => consul.registerOutside(service, addressOf(service));
const endpointsOf = (mirrored: Mirrored, names: readonly string[]) =>
  Promise.all(names.map(async (name) => `${name} ${(await mirrored.addresses(name)).join()}`));
const untilMirrored = (mirrored: Mirrored, names: readonly string[]) =>
  untilEqual(
    'all mirrored',
    () => endpointsOf(mirrored, names),
    names.map((name) => `${name} ${addressOf(name)}:80`),
  );
const signOf = async (daemon: Daemon) => (await statusOf(daemon)).consul.wentBack?.sign;

/** A change in Consul that the daemon has followed: it looks at what happened before, and has done what it wants to do. */
async function untilFollowing(rig: Rig, daemon: Daemon, tag: string): Promise<void> {
  await rig.consul.registerOutside(`marker-${tag}`, '192.0.2.99');
  await until(`marker ${tag}`, () => new Mirrored(rig).service(`marker-${tag}`));
  await until('reads of what is missing', () =>
    Promise.resolve(
      NEW.every((name) =>
        daemon.records.some(({ error }) => String(error).startsWith(`read service ${name}: something is missing`)),
      ),
    ),
  );
}

/** Somebody else registers and changes other services all the time. */
function churn({ consul }: Rig): { stop(): Promise<void> } {
  let isOn = true;
  const churning = (async () => {
    for (let i = 0; isOn && i < 10_000; i++) {
      await consul.registerOutside('churning', '192.0.2.98', 1000 + (i % 50));
      await new Promise((resolve) => setTimeout(resolve, 33));
    }
  })();
  return {
    stop: async () => {
      isOn = false;
      await churning;
    },
  };
}

describe('a snapshot that is restored', () => {
  it.each<[string, (rig: Rig) => Promise<unknown>, (rig: Rig) => Promise<unknown>]>([
    ['while nobody else writes', () => Promise.resolve(), () => Promise.resolve()],
    [
      'after changes of what it has, too',
      async (rig) => {
        await rig.consul.registerOutside('old-0', addressOf('old-0'), 81);
        await rig.consul.registerOutside('old-1', addressOf('old-1'));
      },
      () => Promise.resolve(),
    ],
    [
      'and others register in it at once',
      () => Promise.resolve(),
      (rig) =>
        Promise.all(Array.from({ length: 30 }, (_, i) => rig.consul.registerOutside(`later-${i}`, '192.0.2.97'))),
    ],
  ])('takes no live endpoint away, %s', async (_, before, after) => {
    const rig = await openRig({ persistent: true });
    try {
      const mirrored = new Mirrored(rig);
      for (const name of OLD) await register(rig, name);
      const ip = nextPodIP();
      await rig.kubernetes.createPod(rig.namespace, 'early', {
        ip,
        annotations: { 'consular.dev/service-name': 'early' },
      });
      const daemon = await rig.startDaemon({ toKubernetes });
      await untilMirrored(mirrored, OLD);
      const snapshot = await rig.consul.saveSnapshot();
      for (const name of NEW) await register(rig, name);
      const lateIP = nextPodIP();
      await rig.kubernetes.createPod(rig.namespace, 'late', {
        ip: lateIP,
        annotations: { 'consular.dev/service-name': 'late' },
      });
      await before(rig);
      await untilMirrored(mirrored, NEW);
      await untilEqual('the late pod', () => rig.consul.summary('late'), [`${lateIP}:8080 passing`]);
      await untilIdle(daemon);
      await rig.consul.restoreSnapshot(snapshot);
      await after(rig);
      await until('the sign', () => signOf(daemon));
      await untilFollowing(rig, daemon, 'a');
      await untilMirrored(mirrored, NEW);
      // What is ours in Consul is there again, and what a start makes of it is the same.
      await untilEqual('the late pod again', () => rig.consul.summary('late'), [`${lateIP}:8080 passing`]);
      await until('the entry that tells of it', async () => {
        const entry = (await rig.consul.instances('consular')).find(({ Node }) => Node.Node === `k8s-${rig.cluster}`);
        return entry?.Service.Meta['data-lost-at'];
      });
      await daemon.stop();
      const next = await rig.startDaemon({ toKubernetes });
      expect(await signOf(next)).toBe('told-by-own-entry');
      await rig.consul.registerOutside('marker-b', '192.0.2.99');
      await until('marker b', () => mirrored.service('marker-b'));
      await untilMirrored(mirrored, NEW);
    } finally {
      await rig.close();
    }
  });

  it('takes no live endpoint away while others write all the time', async () => {
    const rig = await openRig({ persistent: true });
    const churning = churn(rig);
    try {
      const mirrored = new Mirrored(rig);
      for (const name of OLD) await register(rig, name);
      const daemon = await rig.startDaemon({ toKubernetes });
      const snapshot = await rig.consul.saveSnapshot();
      for (const name of NEW) await register(rig, name);
      await untilMirrored(mirrored, NEW);
      await rig.consul.restoreSnapshot(snapshot);
      await until('the sign', () => signOf(daemon));
      await untilFollowing(rig, daemon, 'a');
      await untilMirrored(mirrored, NEW);
    } finally {
      await churning.stop();
      await rig.close();
    }
  });

  it('while Consular does not run is noticed at its start, although nothing is left in Consul that tells of it', async () => {
    const rig = await openRig({ persistent: true });
    try {
      const mirrored = new Mirrored(rig);
      for (const name of OLD) await register(rig, name);
      const earlier = await rig.startDaemon({ toKubernetes });
      await untilMirrored(mirrored, OLD);
      await untilIdle(earlier);
      const snapshot = await rig.consul.saveSnapshot();
      for (const name of NEW) await register(rig, name);
      await untilMirrored(mirrored, NEW);
      await untilIdle(earlier);
      await earlier.stop();
      await rig.consul.restoreSnapshot(snapshot);
      const daemon = await rig.startDaemon({ toKubernetes });
      expect(await signOf(daemon)).toBe('lower-names-index');
      await rig.consul.registerOutside('marker', '192.0.2.99');
      await until('the marker', () => mirrored.service('marker'));
      await untilMirrored(mirrored, NEW);
    } finally {
      await rig.close();
    }
  });

  it('is believed again when the time for that is over', async () => {
    const rig = await openRig({ persistent: true });
    try {
      const mirrored = new Mirrored(rig);
      for (const name of OLD) await register(rig, name);
      const daemon = await rig.startDaemon({ toKubernetes, timings: { distrustMs: 5000 } });
      await untilMirrored(mirrored, OLD);
      const snapshot = await rig.consul.saveSnapshot();
      for (const name of NEW) await register(rig, name);
      await untilMirrored(mirrored, NEW);
      await untilIdle(daemon);
      await rig.consul.restoreSnapshot(snapshot);
      await until('the sign', () => signOf(daemon));
      await register(rig, 'new-0');
      await untilEqual('those that are not there', () => mirrored.names(), ['new-0', ...OLD]);
      expect(await signOf(daemon)).toBeUndefined();
    } finally {
      await rig.close();
    }
  });
});

describe('an address that leads to another Consul', () => {
  it.each([
    ['whose index is higher', 300, 'own-entry-lost'],
    ['whose index is lower', 0, 'lower-names-index'],
  ])('takes no live endpoint away, %s', async (_, writes, sign) => {
    const rig = await openRig();
    const other = await startConsul();
    const proxy = await FaultProxy.open(rig.consulServer.address, '');
    const there: Rig = { ...rig, consul: new ConsulApi(other.address) };
    try {
      await Promise.all(Array.from({ length: writes }, (_, i) => there.consul.must('PUT', `/kv/${i}`, {})));
      const mirrored = new Mirrored(rig);
      for (const name of NEW) await register(rig, name);
      const ip = nextPodIP();
      await rig.kubernetes.createPod(rig.namespace, 'ours', {
        ip,
        annotations: { 'consular.dev/service-name': 'ours' },
      });
      const daemon = await rig.startDaemon({ toKubernetes, consulAddress: proxy.address });
      await untilMirrored(mirrored, NEW);
      await untilIdle(daemon);
      proxy.lead(other.address);
      await untilFollowing(there, daemon, 'a');
      expect(await signOf(daemon)).toBe(sign);
      await untilMirrored(mirrored, NEW);
      await untilEqual('our pod', () => there.consul.summary('ours'), [`${ip}:8080 passing`]);
    } finally {
      await rig.close();
      await proxy.close();
      await there.consul.close();
      await other.stop();
    }
  });
});

describe('an index that goes back without time', () => {
  it('is that of a name whose last instance gets another name: what goes later goes at once', async () => {
    const rig = await openRig();
    try {
      const mirrored = new Mirrored(rig);
      for (const name of NEW.slice(0, 3)) await register(rig, name);
      const rename = (name: string) =>
        rig.consul.must('PUT', '/catalog/register', {
          Node: 'outside-renamed',
          Address: '192.0.2.50',
          Service: { ID: 'renamed', Service: name, Address: '192.0.2.50', Port: 80 },
        });
      await rename('before');
      const daemon = await rig.startDaemon({ toKubernetes });
      await until('the service', () => mirrored.service('before'));
      await untilIdle(daemon);
      await rename('after');
      await untilEqual('its new name', async () => (await mirrored.names()).filter((name) => !NEW.includes(name)), [
        'after',
      ]);
      await rig.consul.deregisterFromCatalog({ node: 'outside-new-0', id: 'new-0-80' });
      await untilEqual('another that goes', () => mirrored.names(), ['after', 'new-1', 'new-2']);
      expect(await signOf(daemon)).toBeUndefined();
    } finally {
      await rig.close();
    }
  });
});

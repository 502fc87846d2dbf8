import { describe, expect, it } from '@jest/globals';
import { nextPodIP, openRig, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { servicesIn } from '../rig/imports.ts';
import { Mirrored } from '../rig/mirrored.ts';
import {
  addressOf,
  churn,
  expectNothingLost,
  expectNothingLostTo,
  NEW,
  OLD,
  register,
  signOf,
  toKubernetes,
  untilFollowing,
  untilMirrored,
} from '../rig/time-travel.ts';

/** What happens to mirrored Services when time goes back in Consul: what is missing may only not be back yet. */

describe('a snapshot that is restored', () => {
  it.each<[string, Parameters<typeof expectNothingLost>[0]]>([
    ['after changes of what it has, too', { before: changeTheOld }],
    ['and others register in it at once', { after: registerMany }],
    ['long after all questions were asked that wait', { after: registerMany, restMs: 15_000 }],
  ])('takes no live endpoint away, %s', async (_, writing) => {
    await expectNothingLost(writing);
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

  it('takes no live endpoint away when Consular starts anew while a part of the instances is back', async () => {
    const rig = await openRig({ persistent: true });
    try {
      const mirrored = new Mirrored(rig);
      const own = servicesIn(rig.kubernetes, rig.namespace);
      const ip = nextPodIP();
      const registerAt = (host: string) =>
        rig.consul.must('PUT', '/catalog/register', {
          ...{ Node: `outside-${host}`, Address: `192.0.2.${host}` },
          Service: { ID: `parts-${host}`, Service: 'parts', Port: 80 },
        });
      // A service of which a part is back, one of which only our pod is back, and a Service that takes the first in.
      await rig.kubernetes.createPod(rig.namespace, 'both', {
        ip,
        annotations: { 'consular.dev/service-name': 'both' },
      });
      await registerAt('31');
      const settings = { toKubernetes: { ...toKubernetes, importNamespaces: [rig.namespace] } };
      const earlier = await rig.startDaemon(settings);
      await until('the first', () => mirrored.service('parts'));
      await untilIdle(earlier);
      const snapshot = await rig.consul.saveSnapshot();
      await registerAt('32');
      await registerAt('33');
      await rig.consul.registerOutside('both', '192.0.2.41');
      await own.create('taker', { 'consular.dev/import': 'parts' });
      const endpoints = async () => [
        await mirrored.addresses('parts'),
        await mirrored.addresses('both'),
        await own.endpoints('taker'),
      ];
      const parts = ['31', '32', '33'].map((host) => `192.0.2.${host}:80`);
      const all = [parts, ['192.0.2.41:80'], parts.map((address) => `+http=${address}`)];
      await untilEqual('all of them', endpoints, all);
      await untilIdle(earlier);
      await rig.consul.restoreSnapshot(snapshot);
      await until('the sign', () => signOf(earlier));
      await until('the entry that tells of it', async () => {
        const entry = (await rig.consul.instances('consular')).find(({ Node }) => Node.Node === `k8s-${rig.cluster}`);
        return entry?.Service.Meta['data-lost-at'];
      });
      await earlier.stop();

      const daemon = await rig.startDaemon(settings);
      expect(await signOf(daemon)).toBe('told-by-own-entry');
      // What comes back and what is unwell counts, and what is not there stays.
      await registerAt('32');
      await rig.consul.registerOutside('marker', '192.0.2.99');
      await until('the marker', () => mirrored.service('marker'));
      await until('what is said of the pod alone', async () => (await statusOf(daemon)).toKubernetes?.failing.both);
      expect(await endpoints()).toEqual(all);
      expect(await mirrored.endpoints('parts')).toMatchObject({
        subsets: [{ addresses: parts.map((address) => ({ ip: address.split(':')[0] })) }],
      });
      await daemon.stop();

      // For this run the time is over.
      await rig.startDaemon({ ...settings, timings: { distrustMs: 1 } });
      const there = ['192.0.2.31:80', '192.0.2.32:80'];
      await untilEqual('what is there', endpoints, [there, [], there.map((address) => `+http=${address}`)]);
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

it('another Consul at the same address takes no live endpoint away, whose index is lower', async () => {
  await expectNothingLostTo(0, ['lower-names-index', 'fence-lost']);
});

async function changeTheOld({ consul }: Rig): Promise<void> {
  await consul.registerOutside('old-0', addressOf('old-0'), 81);
  await consul.registerOutside('old-1', addressOf('old-1'));
}

async function registerMany({ consul }: Rig): Promise<void> {
  const names = Array.from({ length: 30 }, (_, i) => `later-${i}`);
  await Promise.all(names.map((name) => consul.registerOutside(name, '192.0.2.97')));
}

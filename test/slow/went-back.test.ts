import { describe, expect, it } from '@jest/globals';
import { openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
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
  await expectNothingLostTo(0, 'lower-names-index');
});

async function changeTheOld({ consul }: Rig): Promise<void> {
  await consul.registerOutside('old-0', addressOf('old-0'), 81);
  await consul.registerOutside('old-1', addressOf('old-1'));
}

async function registerMany({ consul }: Rig): Promise<void> {
  const names = Array.from({ length: 30 }, (_, i) => `later-${i}`);
  await Promise.all(names.map((name) => consul.registerOutside(name, '192.0.2.97')));
}

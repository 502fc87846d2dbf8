import { it } from '@jest/globals';
import { openRig, QUICK_ENTRY, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** A Consul with its data in memory loses it when it starts again. */

const start = (rig: Rig) =>
  rig.startDaemon({ toKubernetes: { removalGrace: '0s' }, timings: { entryPace: QUICK_ENTRY } });
const register = ({ consul }: Rig, port: number) =>
  consul.registerOnAgent({ id: `vm-${port}`, name: 'vm', address: '192.0.2.90', port });
const at = (...ports: number[]) => ports.map((port) => `192.0.2.90:${port}`);
async function loseData({ consulServer }: Rig): Promise<void> {
  await consulServer.kill();
  await consulServer.start();
}

/** A rig with a mirrored service, and the daemon that mirrored it. */
async function withMirror(
  use: (rig: Rig, daemon: Daemon, mirrored: Mirrored) => Promise<void>,
  startDaemon = start,
): Promise<void> {
  const rig = await openRig();
  try {
    for (const port of [80, 81, 82]) await register(rig, port);
    const daemon = await startDaemon(rig);
    const mirrored = new Mirrored(rig);
    await untilEqual('the mirror', () => mirrored.legacyAddresses('vm'), at(80, 81, 82));
    await untilIdle(daemon);
    await use(rig, daemon, mirrored);
  } finally {
    await rig.close();
  }
}

it('a Consul that lost data is believed in what it has, and in what it has not when the time for that is over', async () => {
  const start = (rig: Rig) =>
    rig.startDaemon({
      toKubernetes: { removalGrace: '0s' },
      timings: { entryPace: QUICK_ENTRY, distrustMs: 12_000 },
    });
  await withMirror(async (rig, _, mirrored) => {
    await loseData(rig);
    for (const port of [80, 83]) await register(rig, port);
    await untilEqual('the new one beside the missing', () => mirrored.addresses('vm'), at(80, 81, 82, 83));
    await rig.consul.setHealth('vm-80', 'fail');
    await untilEqual('without the critical one', () => mirrored.addresses('vm'), at(81, 82, 83));
    // Nothing changes any more, and what is gone for good must not stay for ever.
    await untilEqual('without the missing', () => mirrored.addresses('vm'), at(83));
  }, start);
});

import { expect, it } from '@jest/globals';
import { openRig, QUICK_ENTRY, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** A Consul with its data in memory loses it when it starts again. */

const start = (rig: Rig) =>
  rig.startDaemon({ toKubernetes: { removalGrace: '0s' }, timings: { entryPace: QUICK_ENTRY } });
const register = ({ consul }: Rig, port: number) =>
  consul.registerOnAgent({ id: `vm-${port}`, name: 'vm', address: '192.0.2.90', port });
const at = (...ports: number[]) => ports.map((port) => `192.0.2.90:${port}`);
const refusals = ({ records }: Daemon) =>
  records.filter(({ error }) => String(error).includes('read service vm: something is missing')).length;

async function loseData({ consulServer }: Rig): Promise<void> {
  await consulServer.kill();
  await consulServer.start();
}

/** What Consular's own entry says of it. */
const lostAt = async ({ consul, cluster }: Rig) => {
  const rows = await consul.instances('consular');
  return rows.find(({ Node }) => Node.Node === `k8s-${cluster}`)?.Service.Meta['data-lost-at'];
};

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

it.each<[string, (rig: Rig, daemon: Daemon) => Promise<Daemon>]>([
  [
    'while Consular did not run',
    async (rig, daemon) => {
      await daemon.stop();
      await loseData(rig);
      return start(rig);
    },
  ],
  [
    'while Consular ran',
    async (rig, daemon) => {
      await loseData(rig);
      return daemon;
    },
  ],
])('a loss %s is remembered at the next start, although the entry is there again', async (_, lose) => {
  await withMirror(async (rig, daemon, mirrored) => {
    const before = await mirrored.all('vm');
    const noticing = await lose(rig, daemon);
    const said = await until('the entry that says so', () => lostAt(rig));
    await noticing.stop();
    const next = await start(rig);
    await rig.consul.registerOnAgent({ id: 'other', name: 'other', address: '192.0.2.91', port: 80 });
    await until('the other service', () => mirrored.service('other'));
    await until('the distrust', () => Promise.resolve(refusals(next) > 0));
    expect(await mirrored.all('vm')).toEqual(before);
    // The ten minutes do not begin anew.
    expect(await lostAt(rig)).toBe(said);
  });
});

it('a Consul that lost data is believed in what it has, and in what it has not when the time for that is over', async () => {
  const critical = '192.0.2.90:80 critical';
  const start = (rig: Rig) =>
    rig.startDaemon({
      toKubernetes: { removalGrace: '0s' },
      timings: { entryPace: QUICK_ENTRY, distrustMs: 20_000 },
    });
  await withMirror(async (rig, _, mirrored) => {
    await loseData(rig);
    for (const port of [80, 83]) await register(rig, port);
    await untilEqual('the new one beside the missing', () => mirrored.addresses('vm'), at(80, 81, 82, 83));
    await rig.consul.setHealth('vm-80', 'fail');
    await until('the critical one in Consul', async () => (await rig.consul.summary('vm')).includes(critical));
    await untilEqual('without the critical one', () => mirrored.addresses('vm'), at(81, 82, 83));
    // Nothing changes any more, and what is gone for good must not stay for ever.
    await untilEqual('without the missing', () => mirrored.addresses('vm'), at(83), 90_000);
  }, start);
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRig, statusOf, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { openWire, type Wire } from '../rig/wire.ts';

/** Shorter than client-go's, in the same proportions. */
const TIMES = { leaseMs: 3000, renewMs: 2000, retryMs: 400 };

let rig: Rig;
let wire: Wire;
let folder: string;

beforeAll(async () => {
  rig = await openRig();
  folder = await mkdtemp(join(tmpdir(), 'consular-stale-'));
  wire = await openWire(rig.kubeconfig, folder);
}, 60_000);
afterAll(async () => {
  await rig.close();
  wire.close();
  await rm(folder, { recursive: true });
}, 30_000);

const start = (kubeconfig?: string) =>
  rig.startDaemon({
    leaderElection: { enabled: true, namespace: rig.namespace },
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    awaitStart: false,
    timings: { election: TIMES },
  });

it('a standby whose watches died unnoticed takes nothing away that was registered since', async () => {
  const { kubernetes, consul, namespace } = rig;
  const leader = await start();
  await leader.started;
  for (const name of ['late', 'gone'])
    await kubernetes.createPod(namespace, name, { annotations: { 'consular.dev/service-name': name } });
  await untilEqual(
    'the pods',
    async () => (await consul.summary('late')).length + (await consul.summary('gone')).length,
    2,
  );
  await kubernetes.setReady(namespace, 'late', false);
  await untilEqual('the pod that is not Ready', async () => (await consul.summary('late')).length, 0);
  const standby = await start(wire.kubeconfig);
  await until('a standby', async () => {
    const { ready, leader: standing } = await statusOf(standby);
    return ready && standing.is === 'standby';
  });

  wire.forget();
  await kubernetes.setReady(namespace, 'late', true);
  await kubernetes.setReady(namespace, 'gone', false);
  await untilEqual('the pod that is Ready again', async () => (await consul.summary('late')).length, 1);
  const writtenAt = async () => (await consul.instances('late')).map(({ Service }) => Service.ModifyIndex);
  const before = await writtenAt();
  await leader.stop();
  await standby.started;
  await untilIdle(standby);
  expect(await writtenAt()).toEqual(before);
  expect(await consul.summary('gone')).toEqual([]);
  await standby.stop();
});

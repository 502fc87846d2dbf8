import { expect } from '@jest/globals';
import { nextPodIP, openRig, statusOf, until, untilEqual, untilIdle, type Daemon, type Rig } from './index.ts';
import { startConsul } from '../control-plane/index.ts';
import { ConsulApi } from './consul.ts';
import { FaultProxy } from './fault-proxy.ts';
import { Mirrored } from './mirrored.ts';

/** Longer than a question waits that names an index which Consul has no more: such a one is answered when its time is over. */
const LONG_MS = 90_000;

/** Services outside that a test mirrors, and what it waits for when time goes back in Consul. */

export const OLD = ['old-0', 'old-1', 'old-2'];
export const NEW = Array.from({ length: 10 }, (_, i) => `new-${i}`);
export const addressOf = (service: string) =>
  `192.0.2.${service.startsWith('old') ? 10 : 20 + Number(service.slice(4))}`;
export const toKubernetes = { removalGrace: '0s' };

export const register = ({ consul }: Rig, service: string) => consul.registerOutside(service, addressOf(service));
const endpointsOf = (mirrored: Mirrored, names: readonly string[]) =>
  Promise.all(names.map(async (name) => `${name} ${(await mirrored.addresses(name)).join()}`));
export const untilMirrored = (mirrored: Mirrored, names: readonly string[]) =>
  untilEqual(
    'all mirrored',
    () => endpointsOf(mirrored, names),
    names.map((name) => `${name} ${addressOf(name)}:80`),
  );
export const signOf = async (daemon: Daemon) => (await statusOf(daemon)).consul.wentBack?.sign;

/** A change in Consul that the daemon has followed: it looks at what happened before, and has done what it wants to do. */
export async function untilFollowing(rig: Rig, daemon: Daemon, tag: string): Promise<void> {
  await rig.consul.registerOutside(`marker-${tag}`, '192.0.2.99');
  await until(`marker ${tag}`, () => new Mirrored(rig).service(`marker-${tag}`), LONG_MS);
  await until('reads of what is missing', () =>
    Promise.resolve(
      NEW.every((name) =>
        daemon.records.some(({ error }) => String(error).startsWith(`read service ${name}: something is missing`)),
      ),
    ),
  );
}

/** What is followed is asked for anew every 30 s: some things depend on how long ago that was. */
export async function untilPassed(ms: number): Promise<void> {
  const begun = performance.now();
  await until(`${ms} ms`, () => Promise.resolve(performance.now() - begun >= ms), 2 * ms + 1000);
}

/** Somebody else registers and changes other services all the time. */
export function churn({ consul }: Rig): { stop(): Promise<void> } {
  let isOn = true;
  const churning = (async () => {
    for (let i = 0; isOn && i < 10_000; i++) {
      // What is written in the very moment of a restore is refused.
      await consul.registerOutside('churning', '192.0.2.98', 1000 + (i % 50)).catch(() => undefined);
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

/** What else somebody writes to Consul at some moment. */
type Writing = (rig: Rig) => Promise<unknown>;
const NOTHING: Writing = () => Promise.resolve();

/**
 * Restores a snapshot that does not know the new services, and expects that they stay mirrored, over a restart of the daemon too.
 * @param before what is written before the restore, beside the new services
 * @param after what is written at once after it
 * @param restMs how long nothing happens before the restore: so old all long polls are then, at least
 */
export async function expectNothingLost({
  before = NOTHING,
  after = NOTHING,
  restMs = 0,
}: {
  before?: Writing;
  after?: Writing;
  restMs?: number;
}): Promise<void> {
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
    await untilPassed(restMs);
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
}

/**
 * Leads the daemon to another Consul, and expects that nothing of the first is lost.
 * @param writes so many moves of the index that the other Consul has already
 * @param signs of which one is noticed first: the lists and the key of the fence are followed at the same time. Consular's own
 *   entry is never the first: it is written behind the fence
 */
export async function expectNothingLostTo(writes: number, signs: readonly string[]): Promise<void> {
  const rig = await openRig();
  const other = await startConsul();
  const proxy = await FaultProxy.open(rig.consulServer.address, '');
  const there: Rig = { ...rig, consul: new ConsulApi(other.address) };
  try {
    await Promise.all(Array.from({ length: writes }, (_, i) => there.consul.must('PUT', `/kv/${i}`, {})));
    // The list of services has the index of the last service that was written.
    if (writes > 0) await there.consul.registerOutside('elsewhere', '192.0.2.96');
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
    await until('the sign', () => signOf(daemon), LONG_MS);
    await untilFollowing(there, daemon, 'a');
    expect(signs).toContain(await signOf(daemon));
    await untilMirrored(mirrored, NEW);
    await untilEqual('our pod', () => there.consul.summary('ours'), [`${ip}:8080 passing`]);
  } finally {
    await rig.close();
    await proxy.close();
    await there.consul.close();
    await other.stop();
  }
}

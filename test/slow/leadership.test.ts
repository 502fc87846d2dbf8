import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { openRunDirectory, type RunDirectory } from '../control-plane/index.ts';
import { BothSides } from '../rig/both-sides.ts';
import { bundleDaemon, startDaemonProcess, untilStanding, type DaemonProcess } from '../rig/daemon-process.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import {
  counted,
  openRig,
  statusOf,
  until,
  untilEqual,
  untilIdle,
  type Daemon,
  type DaemonOptions,
  type Rig,
} from '../rig/index.ts';
import { openKubernetesProxy } from '../rig/kubernetes-proxy.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** Shorter than client-go's, in the same proportions. */
const TIMES = { leaseMs: 3000, renewMs: 2000, retryMs: 400 };
const CHANGES_PER_SECOND = 20;
const named = (name: string) => ({ 'consular.dev/service-name': name });

let run: RunDirectory;
let bundle: string;
let rig: Rig;
const processes: DaemonProcess[] = [];

beforeAll(async () => {
  run = await openRunDirectory('leadership');
  bundle = await bundleDaemon(run);
}, 120_000);
beforeEach(async () => {
  rig = await openRig();
}, 60_000);
afterEach(async () => {
  for (const one of processes.splice(0)) await one.close();
  await rig.close();
}, 60_000);
afterAll(() => run.close(), 30_000);

const OPTIONS = { toKubernetes: { removalGrace: '0s' }, timings: { election: TIMES } };
const election = () => ({ leaderElection: { enabled: true, namespace: rig.namespace } });

let names = 0;
async function startProcess(options: DaemonOptions = {}): Promise<DaemonProcess> {
  const place = { bundle, run, name: `daemon-${names++}` };
  const daemon = await startDaemonProcess(rig, { ...place, ...OPTIONS, ...election(), ...options });
  processes.push(daemon);
  return daemon;
}

/** Transactions and writes of Kubernetes objects, so far. */
async function writesOf({ metrics }: Daemon): Promise<number> {
  const counters = [metrics.consulTransactions, metrics.kubernetesWrites];
  const values = await Promise.all(counters.map(async (counter) => (await counter.get()).values));
  return values.flat().reduce((sum, { value }) => sum + value, 0);
}

it('two at once: one leads and nothing is written twice; the other writes nothing, and reads of Consul the list of services', async () => {
  const both = new BothSides(rig);
  await both.createSteady();
  const leader = await rig.startDaemon({ ...OPTIONS, ...election() });
  const proxy = await FaultProxy.open(rig.consul.address, '');
  try {
    const asked: string[] = [];
    proxy.readFault = (path) => (asked.push(path.replace(/\?.*/, '')), 'pass');
    const standby = await rig.startDaemon({
      ...OPTIONS,
      ...election(),
      consulAddress: proxy.address,
      awaitStart: false,
    });
    await untilStanding(standby, 'standby', 'standing by');
    await untilIdle(leader);
    await both.rememberSteady();
    const { leader: before } = await statusOf(leader);
    both.start(CHANGES_PER_SECOND);
    await both.untilChanged(300);
    await both.pause();
    await both.untilWritten();
    await both.expectSteady();
    expect((await statusOf(leader)).leader).toEqual(before);
    expect((await statusOf(standby)).leader).toMatchObject({ is: 'standby', leader: before.identity });
    expect([await writesOf(standby), proxy.transactions]).toEqual([0, []]);
    const conflicts = (await counted(leader.metrics.consulTransactions)).filter(
      ({ labels }) => labels.outcome !== 'committed',
    );
    expect(conflicts).toEqual([]);
    // What a start asks for, and then one list, and beside it who leads the servers.
    const lists = ['/agent/self', '/catalog/nodes', '/catalog/services', '/status/leader'];
    expect(asked).toContain('/catalog/services');
    expect(asked.filter((path) => !lists.includes(path))).toEqual([]);
  } finally {
    await proxy.close();
  }
});

it('a transaction that was held while its leader was paused, until another led, is refused as a whole', async () => {
  const { kubernetes, consul, namespace } = rig;
  const old = await startProcess();
  await untilStanding(old, 'leading', 'running');
  const pods = ['a', 'b', 'c'];
  for (const name of pods) await kubernetes.createPod(namespace, name, { annotations: named('orders') });
  await untilEqual('the pods', async () => (await consul.summary('orders')).length, 3);
  await untilIdle(old);
  const before = await consul.instances('orders');
  const next = await startProcess();
  await untilStanding(next, 'standby', 'standing by');

  const gate = old.proxy.hold();
  for (const name of pods) await kubernetes.setReady(namespace, name, false);
  await until('transactions on their way', () => Promise.resolve(old.proxy.inFlight.length > 0));
  const held = old.proxy.inFlight;
  old.signal('SIGSTOP');
  for (const name of pods) await kubernetes.setReady(namespace, name, true);
  await untilStanding(next, 'leading', 'running');
  await untilIdle(next);
  gate.release();
  await until('an answer to what was held', () => Promise.resolve(held.every(({ answered }) => answered < Infinity)));
  expect(new Set(held.map(({ status }) => status))).toEqual(new Set([409]));
  expect(await consul.instances('orders')).toEqual(before);
  // What the old leader does when it goes on is to end.
  const sent = old.proxy.transactions.length;
  old.signal('SIGCONT');
  await old.untilEnded();
  expect(old.proxy.transactions.slice(sent).filter(({ status }) => status === 200)).toEqual([]);
  expect(await consul.instances('orders')).toEqual(before);
});

it('a Service whose creation was held while its leader was paused, and that the next leader has removed, is removed again', async () => {
  const mirrored = new Mirrored(rig);
  const proxy = await openKubernetesProxy(rig.kubeconfig, run.path);
  try {
    const old = await startProcess({ kubeconfig: proxy.kubeconfig });
    await untilStanding(old, 'leading', 'running');
    const next = await startProcess();
    await untilStanding(next, 'standby', 'standing by');

    proxy.isHeld = (method, path) => method === 'POST' && path.split('?')[0]?.endsWith('/services') === true;
    await rig.consul.registerOutside('machine', '198.51.100.9');
    const held = await until('a creation on its way', () => Promise.resolve(proxy.held[0]));
    old.signal('SIGSTOP');
    await untilStanding(next, 'leading', 'running');
    await untilEqual('the Service of the next leader', () => mirrored.addresses('machine'), ['198.51.100.9:80']);
    await rig.consul.deregisterFromCatalog({ node: 'outside-machine', id: 'machine-80' });
    await untilEqual('no Service', () => mirrored.names(), []);
    expect(await held.release()).toBe(201);
    await untilEqual('no Service again', () => mirrored.names(), []);
    old.signal('SIGCONT');
    await old.untilEnded();
    await untilIdle(next);
    expect(await mirrored.names()).toEqual([]);
  } finally {
    await proxy.close();
  }
});

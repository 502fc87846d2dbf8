import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { openRunDirectory, startKubernetes, type KubernetesPlane, type RunDirectory } from '../control-plane/index.ts';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';
import { openWire, type Wire } from '../rig/wire.ts';

const LIMIT_MS = 60_000;

let plane: KubernetesPlane;
let rig: Rig;
let folder: RunDirectory;
let wire: Wire;
let daemon: Daemon;
let mirrored: Mirrored;

beforeAll(async () => {
  plane = await startKubernetes();
  rig = await openRig({}, plane);
  folder = await openRunDirectory('outage');
  wire = await openWire(plane.kubeconfig, folder.path);
  mirrored = new Mirrored(rig);
  daemon = await rig.startDaemon({ kubeconfig: wire.kubeconfig });
}, 180_000);
afterAll(async () => {
  await rig.close();
  wire.close();
  await plane.stop();
  await folder.close();
}, 60_000);
beforeEach(() => untilIdle(daemon));

let round = 0;
const readyz = async () => (await fetch(`http://127.0.0.1:${daemon.port}/readyz`)).text();
const untilReady = () => untilEqual('readiness', readyz, 'ok\n', LIMIT_MS);
const failuresOf = (kind: string) =>
  daemon.records.filter((record) => record.message === 'watch failed, will resume' && record.kind === kind).length;

/** Two pods of a service, and a service of a virtual machine with its mirror. */
async function scene() {
  const { kubernetes, consul, namespace } = rig;
  const name = `app-${++round}`;
  const vm = `vm-${round}`;
  const ips = new Map<string, string>();
  const createPod = async (pod: string) => {
    ips.set(pod, nextPodIP());
    const annotations = { 'consular.dev/service-name': name };
    await kubernetes.createPod(namespace, `${name}-${pod}`, { ip: ips.get(pod) ?? '', annotations });
  };
  const register = (port: number) =>
    consul.registerOnAgent({ id: `${vm}-${port}`, name: vm, address: '192.0.2.95', port });
  const untilPods = (...pods: string[]) => {
    const expected = pods.map((pod) => `${ips.get(pod) ?? ''}:8080 passing`).sort();
    return untilEqual(`pods ${pods.join()}`, () => consul.summary(name), expected, LIMIT_MS);
  };
  const untilMirror = (...ports: number[]) => {
    const expected = ports.map((port) => `192.0.2.95:${port}`);
    return untilEqual(`mirror ${ports.join()}`, () => mirrored.addresses(vm), expected, LIMIT_MS);
  };
  const deletePod = (pod: string) => kubernetes.deletePod(namespace, `${name}-${pod}`);
  await Promise.all([createPod('a'), createPod('b'), register(80)]);
  await untilPods('a', 'b');
  await untilMirror(80);
  return { name, createPod, deletePod, register, untilPods, untilMirror };
}

describe('an API server that is away', () => {
  it.each<[string, NodeJS.Signals, number]>([
    ['is killed, and back at once', 'SIGKILL', 0],
    ['is killed, and back after some seconds', 'SIGKILL', 4],
    ['is killed, and back after a minute', 'SIGKILL', 25],
    ['shuts down, which ends watches as if their time were over, and is back', 'SIGTERM', 2],
  ])('%s: nothing is removed meanwhile, and both directions go on', async (_, signal, tries) => {
    const { name, createPod, deletePod, register, untilPods, untilMirror } = await scene();
    await untilIdle(daemon);
    const failures = failuresOf('Pod');
    await plane.stopApiServer(signal);
    await register(81);
    await until('tries in vain', () => Promise.resolve(failuresOf('Pod') >= failures + tries), 180_000);
    if (tries > 0) expect(await readyz()).toContain('Kubernetes pods');
    expect(await rig.consul.summary(name)).toHaveLength(2);
    await plane.startApiServer();
    await Promise.all([createPod('c'), deletePod('a')]);
    await untilPods('b', 'c');
    await untilMirror(80, 81);
    await untilReady();
    await untilIdle(daemon);
  });

  it('and has forgotten the version that a broken watch is at: everything is read again, and nothing is lost', async () => {
    const { createPod, deletePod, untilPods } = await scene();
    const lists = () =>
      daemon.records.filter(({ message, kind }) => message === 'read completely' && kind === 'Pod').length;
    const before = lists();
    await untilIdle(daemon);
    // No connection is refused: the watch breaks when the server that remembers nothing is there already.
    wire.freeze();
    await plane.restartApiServer();
    await Promise.all([createPod('c'), deletePod('a')]);
    wire.thaw();
    await untilPods('b', 'c');
    expect(lists()).toBeGreaterThan(before);
    await untilReady();
  });
});

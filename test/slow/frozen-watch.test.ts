import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { openWire, type Wire } from '../rig/wire.ts';

let rig: Rig;
let wire: Wire;
let folder: string;

beforeAll(async () => {
  rig = await openRig();
  folder = await mkdtemp(join(tmpdir(), 'consular-frozen-'));
  wire = await openWire(rig.kubeconfig, folder);
}, 120_000);
afterAll(async () => {
  await rig.close();
  wire.close();
  await rm(folder, { recursive: true });
}, 60_000);

it('a watch that falls silent without an end is noticed and told, costs nothing, and is resumed', async () => {
  const { kubernetes, consul, namespace } = rig;
  const named = { 'consular.dev/service-name': 'orders' };
  const ips = [nextPodIP(), nextPodIP(), nextPodIP()];
  const lines = (...some: number[]) => some.map((i) => `${ips[i] ?? ''}:8080 passing`).sort();
  const createPod = (i: number) => kubernetes.createPod(namespace, `p-${i}`, { ip: ips[i] ?? '', annotations: named });
  await Promise.all([createPod(0), createPod(1)]);
  const daemon = await rig.startDaemon({ kubeconfig: wire.kubeconfig });
  await untilEqual('both pods', () => consul.summary('orders'), lines(0, 1));
  await untilIdle(daemon);
  const readyz = async () => {
    const response = await fetch(`http://127.0.0.1:${daemon.port}/readyz`);
    return `${response.status} ${await response.text()}`;
  };
  expect(await readyz()).toBe('200 ok\n');

  wire.freeze();
  await Promise.all([createPod(2), kubernetes.deletePod(namespace, 'p-0')]);
  // The API server would have sent a bookmark every minute.
  const isNoticed = async () => (await readyz()).includes('Kubernetes pods') && readyz();
  const reasons = await until('the reasons', isNoticed, 150_000);
  expect(reasons).toMatch(/^503 (.*\n)*.*Kubernetes pods: watch Pod/);
  expect(await consul.summary('orders')).toEqual(lines(0, 1));

  wire.thaw();
  await untilEqual('what changed meanwhile', () => consul.summary('orders'), lines(1, 2), 60_000);
  await until('readiness', async () => (await readyz()) === '200 ok\n', 60_000);
});

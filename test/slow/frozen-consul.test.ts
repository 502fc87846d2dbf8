import { expect, it } from '@jest/globals';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { openRig, statusOf, until, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/** Consul says nothing for so long at most when nothing happens; then the daemon gives a question up. */
const NOTICED_WITHIN_MS = 35_000;

const isReady = async (daemon: Daemon) => (await statusOf(daemon)).ready;
const reasons = async ({ port }: Daemon) => (await fetch(`http://127.0.0.1:${port}/readyz`)).text();

async function expectFollowing(rig: Rig, tag: string): Promise<void> {
  const { consul, kubernetes, namespace } = rig;
  const mirrored = new Mirrored(rig);
  await kubernetes.createPod(namespace, `pod-${tag}`, { annotations: { 'consular.dev/service-name': `pod-${tag}` } });
  await consul.registerOnAgent({ id: `vm-${tag}`, name: `vm-${tag}`, address: '192.0.2.2', port: 80 });
  await until('the pod in Consul', async () => (await consul.instances(`pod-${tag}`)).length === 1);
  await until('the service in Kubernetes', () => mirrored.service(`vm-${tag}`));
}

it('a Consul that accepts and never answers is noticed within 35 s, and followed again once it answers', async () => {
  const rig = await openRig();
  try {
    const daemon = await rig.startDaemon();
    await expectFollowing(rig, 'before');
    process.kill(rig.consulServer.pid, 'SIGSTOP');
    try {
      await until('not ready', async () => !(await isReady(daemon)), NOTICED_WITHIN_MS);
      expect(await reasons(daemon)).toMatch(/read service names|read (our )?Consul nodes/);
      const name = 'meanwhile';
      await rig.kubernetes.createPod(rig.namespace, name, { annotations: { 'consular.dev/service-name': name } });
    } finally {
      process.kill(rig.consulServer.pid, 'SIGCONT');
    }
    await until('ready again', () => isReady(daemon), 40_000);
    await until('what came meanwhile', async () => (await rig.consul.instances('meanwhile')).length === 1);
    await expectFollowing(rig, 'after');
  } finally {
    await rig.close();
  }
}, 180_000);

it('a connection that carries nothing any more is noticed within 35 s too, and replaced', async () => {
  const rig = await openRig();
  const proxy = await FaultProxy.open(rig.consul.address, '');
  let thaw: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (thaw = resolve));
  try {
    const daemon = await rig.startDaemon({ consulAddress: proxy.address });
    await expectFollowing(rig, 'before');
    let frozen = 0;
    proxy.readFault = (path) => {
      if (!path.startsWith('/catalog/services') || !path.includes('index=')) return 'pass';
      frozen++;
      return { held };
    };
    // Wakes the long poll that is on its way: the next one is frozen.
    await rig.consul.registerOnAgent({ id: 'wakes', name: 'wakes', address: '192.0.2.3', port: 80 });
    await until('a frozen long poll', () => Promise.resolve(frozen >= 1));
    await until('not ready', async () => !(await isReady(daemon)), NOTICED_WITHIN_MS);
    proxy.readFault = () => 'pass';
    await until('ready again', () => isReady(daemon), 10_000);
    await expectFollowing(rig, 'after');
  } finally {
    thaw();
    await rig.close();
    await proxy.close();
  }
}, 180_000);

import { expect, it } from '@jest/globals';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

const ANONYMOUS = '00000000-0000-0000-0000-000000000002';

/** Everybody may see Consul's own service and all nodes, as in many installations: a lost token is no error then. */
async function letEverybodyRead({ consul }: Rig): Promise<void> {
  const Rules = 'service "consul" { policy = "read" } node_prefix "" { policy = "read" }';
  const { ID } = (await consul.must('PUT', '/acl/policy', { Name: 'everybody', Rules })) as { ID: string };
  await consul.must('PUT', `/acl/token/${ANONYMOUS}`, { AccessorID: ANONYMOUS, Policies: [{ ID }] });
}

it('a service that comes back while the token is lost keeps its Service, and our pods stay as they are', async () => {
  const rig = await openRig({ acl: true });
  const { kubernetes, consul, consulServer, namespace } = rig;
  const proxy = await FaultProxy.open(consulServer.address, '');
  try {
    await letEverybodyRead(rig);
    const mirrored = new Mirrored(rig);
    const ips = [nextPodIP(), nextPodIP()].sort();
    for (const [i, ip] of ips.entries())
      await kubernetes.createPod(namespace, `p-${i}`, { ip, annotations: { 'consular.dev/service-name': 'orders' } });
    await consul.registerOutside('vm', '192.0.2.80');
    const daemon = await rig.startDaemon({ consulAddress: proxy.address, toKubernetes: { removalGrace: '3s' } });
    await untilEqual('the mirror', () => mirrored.addresses('vm'), ['192.0.2.80:80']);
    await untilIdle(daemon);
    const before = await mirrored.service('vm');
    await consul.deregisterFromCatalog({ node: 'outside-vm', id: 'vm-80' });
    await untilEqual('no endpoint', () => mirrored.addresses('vm'), []);
    proxy.isAnonymous = true;
    await consul.registerOutside('vm', '192.0.2.80');
    const toldOf = (text: string) => () =>
      Promise.resolve(daemon.records.some(({ error }) => String(error).includes(text)));
    await until(
      'the end of the grace',
      toldOf('read service vm: something is missing, which is not believed to be gone'),
    );
    const readyz = await fetch(`http://127.0.0.1:${daemon.port}/readyz`);
    expect([readyz.status, await readyz.text()]).toEqual([
      503,
      expect.stringContaining("Consular's own entry in Consul: it was lost, the token lost its rights") as unknown,
    ]);
    // What is hidden is not registered again and again, nor is anything removed.
    const sent = proxy.transactions.length;
    await consul.registerOutside('other', '192.0.2.81');
    await consul.registerOutside('other', '192.0.2.82');
    expect(proxy.transactions.length - sent).toBeLessThan(5);
    proxy.isAnonymous = false;
    await untilEqual('its endpoint', () => mirrored.addresses('vm'), ['192.0.2.80:80'], 60_000);
    await untilEqual('the other', () => mirrored.addresses('other'), ['192.0.2.82:80'], 60_000);
    const after = await mirrored.service('vm');
    expect([after?.metadata.uid, after?.spec.clusterIP]).toEqual([before?.metadata.uid, before?.spec.clusterIP]);
    expect(await consul.summary('orders')).toEqual(ips.map((ip) => `${ip}:8080 passing`));
    await until('a ready daemon', async () => (await fetch(`http://127.0.0.1:${daemon.port}/readyz`)).ok, 60_000);
  } finally {
    await rig.close();
    await proxy.close();
  }
});

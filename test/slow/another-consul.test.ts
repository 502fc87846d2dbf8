import { expect, it } from '@jest/globals';
import { startConsul } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { openRig, statusOf, until, untilEqual, untilIdle } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

it('another Consul, to which only what is asked anew is led, takes no live endpoint away', async () => {
  const rig = await openRig();
  const other = await startConsul();
  const there = new ConsulApi(other.address);
  const proxy = await FaultProxy.open(rig.consulServer.address, '');
  try {
    await Promise.all(Array.from({ length: 300 }, (_, i) => there.must('PUT', `/kv/${i}`, {})));
    const mirrored = new Mirrored(rig);
    const names = ['a', 'b', 'c'];
    for (const name of names) await rig.consul.registerOutside(name, '192.0.2.10');
    const daemon = await rig.startDaemon({ consulAddress: proxy.address, toKubernetes: { removalGrace: '0s' } });
    await untilEqual('all mirrored', () => mirrored.names(), names);
    await untilIdle(daemon);
    proxy.lead(other.address, { keepsConnections: true });
    await there.registerOutside('marker', '192.0.2.99');
    await until('the marker, when the long polls have ended', () => mirrored.service('marker'), 90_000);
    await until('the sign', async () => (await statusOf(daemon)).consul.wentBack?.sign === 'fence-lost');
    for (const name of names) expect(await mirrored.addresses(name)).toEqual(['192.0.2.10:80']);
  } finally {
    await rig.close();
    await proxy.close();
    await there.close();
    await other.stop();
  }
});

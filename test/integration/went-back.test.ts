import { describe, expect, it } from '@jest/globals';
import { startConsul } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';
import {
  expectNothingLost,
  NEW,
  register,
  signOf,
  toKubernetes,
  untilFollowing,
  untilMirrored,
} from '../rig/time-travel.ts';

/** What happens to mirrored Services when time goes back in Consul: what is missing may only not be back yet. */

it('a snapshot that is restored takes no live endpoint away', async () => {
  await expectNothingLost({});
});

describe('an address that leads to another Consul', () => {
  it.each([['whose index is higher', 300, 'own-entry-lost']])(
    'takes no live endpoint away, %s',
    async (_, writes, sign) => {
      const rig = await openRig();
      const other = await startConsul();
      const proxy = await FaultProxy.open(rig.consulServer.address, '');
      const there: Rig = { ...rig, consul: new ConsulApi(other.address) };
      try {
        await Promise.all(Array.from({ length: writes }, (_, i) => there.consul.must('PUT', `/kv/${i}`, {})));
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
        await untilFollowing(there, daemon, 'a');
        expect(await signOf(daemon)).toBe(sign);
        await untilMirrored(mirrored, NEW);
        await untilEqual('our pod', () => there.consul.summary('ours'), [`${ip}:8080 passing`]);
      } finally {
        await rig.close();
        await proxy.close();
        await there.consul.close();
        await other.stop();
      }
    },
  );
});

describe('an index that goes back without time', () => {
  it('is that of a name whose last instance gets another name: what goes later goes at once', async () => {
    const rig = await openRig();
    try {
      const mirrored = new Mirrored(rig);
      for (const name of NEW.slice(0, 3)) await register(rig, name);
      const rename = (name: string) =>
        rig.consul.must('PUT', '/catalog/register', {
          Node: 'outside-renamed',
          Address: '192.0.2.50',
          Service: { ID: 'renamed', Service: name, Address: '192.0.2.50', Port: 80 },
        });
      await rename('before');
      const daemon = await rig.startDaemon({ toKubernetes });
      await until('the service', () => mirrored.service('before'));
      await untilIdle(daemon);
      await rename('after');
      await untilEqual('its new name', async () => (await mirrored.names()).filter((name) => !NEW.includes(name)), [
        'after',
      ]);
      await rig.consul.deregisterFromCatalog({ node: 'outside-new-0', id: 'new-0-80' });
      await untilEqual('another that goes', () => mirrored.names(), ['after', 'new-1', 'new-2']);
      expect(await signOf(daemon)).toBeUndefined();
    } finally {
      await rig.close();
    }
  });
});

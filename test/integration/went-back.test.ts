import { describe, expect, it } from '@jest/globals';
import { openRig, until, untilEqual, untilIdle } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';
import { expectNothingLost, expectNothingLostTo, NEW, register, signOf, toKubernetes } from '../rig/time-travel.ts';

/** What happens to mirrored Services when time goes back in Consul: what is missing may only not be back yet. */

it('a snapshot that is restored takes no live endpoint away', async () => {
  await expectNothingLost({});
});

it('another Consul at the same address takes no live endpoint away, whose index is higher', async () => {
  await expectNothingLostTo(300, ['fence-lost']);
});

it('an instance that gets another name leaves its old one, although Consul moves no index of that', async () => {
  const rig = await openRig();
  try {
    const mirrored = new Mirrored(rig);
    const registerAs = (name: string, host: number) =>
      rig.consul.must('PUT', '/catalog/register', {
        ...{ Node: `outside-${host}`, Address: `192.0.2.${host}` },
        Service: { ID: `app-${host}`, Service: name, Port: 80 },
      });
    for (const host of [60, 61]) await registerAs('before', host);
    const daemon = await rig.startDaemon({ toKubernetes });
    const addresses = async () => [await mirrored.addresses('before'), await mirrored.addresses('after')];
    await untilEqual('the old name', addresses, [['192.0.2.60:80', '192.0.2.61:80'], []]);
    await untilIdle(daemon);
    await registerAs('after', 61);
    await untilEqual('both names', addresses, [['192.0.2.60:80'], ['192.0.2.61:80']]);
  } finally {
    await rig.close();
  }
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

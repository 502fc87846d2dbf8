import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { allowAllAddresses, allowOnlyAddresses } from '../rig/admission.ts';
import { openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

describe('addresses that the API server refuses', () => {
  let rig: Rig;
  let daemon: Daemon;
  let mirrored: Mirrored;
  const start = () => rig.startDaemon({ toKubernetes: { removalGrace: '0s', importNamespaces: [rig.namespace] } });

  beforeAll(async () => {
    rig = await openRig();
    mirrored = new Mirrored(rig);
    daemon = await start();
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const idOf = (name: string, address: string) => `${name}-${address}`;
  const register = (name: string, ...addresses: string[]) =>
    Promise.all(
      addresses.map((address) => rig.consul.registerOnAgent({ id: idOf(name, address), name, address, port: 8080 })),
    );
  const leave = (name: string, address: string) => rig.consul.deregisterFromAgent(idOf(name, address));
  const at = (...addresses: string[]) => addresses.map((address) => `${address}:8080`);

  async function untilBoth(name: string, ...addresses: string[]): Promise<void> {
    await untilEqual(`slices of ${name}`, () => mirrored.addresses(name), at(...addresses));
    await untilEqual(`Endpoints of ${name}`, () => mirrored.legacyAddresses(name), at(...addresses));
  }

  it('cost only themselves: what left Consul goes, and others come, in slices and v1 Endpoints', async () => {
    await register('guarded', '10.74.0.1', '10.74.0.2', '10.74.0.3');
    await register('older', '172.31.0.8', '10.74.1.1', '10.74.1.2');
    await register('many', '172.31.1.1', '172.31.1.2', '10.74.3.1', '10.74.3.2');
    await untilBoth('guarded', '10.74.0.1', '10.74.0.2', '10.74.0.3');
    await untilBoth('older', '10.74.1.1', '10.74.1.2', '172.31.0.8');
    await untilBoth('many', '10.74.3.1', '10.74.3.2', '172.31.1.1', '172.31.1.2');
    await allowOnlyAddresses(rig, '10.74.');

    await register('guarded', '172.31.0.9');
    await until('an Event that names it', async () =>
      (await mirrored.events('guarded')).some(
        ({ reason, note }) =>
          reason === 'InstanceRefused' &&
          note.includes(idOf('guarded', '172.31.0.9')) &&
          note.includes('only 10.74.* may be called') &&
          !note.includes('10.74.0.'),
      ),
    );
    await leave('guarded', '10.74.0.3');
    await untilBoth('guarded', '10.74.0.1', '10.74.0.2');
    await register('guarded', '10.74.0.4', '172.31.0.10', '10.74.0.5');
    await untilBoth('guarded', '10.74.0.1', '10.74.0.2', '10.74.0.4', '10.74.0.5');
    await untilIdle(daemon);
    const before = await mirrored.all('guarded');
    await register('fresh', '172.31.0.20', '10.74.2.1');
    await untilBoth('fresh', '10.74.2.1');
    expect(await mirrored.all('guarded')).toEqual(before);
  });

  it('that were there before do not keep what left Consul, and stay as long as nothing else has to go', async () => {
    await untilBoth('older', '10.74.1.1', '10.74.1.2', '172.31.0.8');
    await leave('older', '10.74.1.2');
    await untilBoth('older', '10.74.1.1');
  });

  it('that were there before stay when more of them would go than left Consul', async () => {
    await leave('many', '10.74.3.2');
    await until('an Event that says so', async () =>
      (await mirrored.events('many')).some(({ reason }) => reason === 'WriteRefused'),
    );
    await untilBoth('many', '10.74.3.1', '10.74.3.2', '172.31.1.1', '172.31.1.2');
    await leave('many', '172.31.1.2');
    await untilBoth('many', '10.74.3.1');
  });

  it('are left out of what a Service takes in, and are tried again when Consular restarts', async () => {
    await rig.kubernetes.must('POST', `/api/v1/namespaces/${rig.namespace}/services`, {
      metadata: { name: 'taker', annotations: { 'consular.dev/import': 'guarded' } },
      spec: { ports: [{ port: 80 }] },
    });
    const allowed = ['10.74.0.1', '10.74.0.2', '10.74.0.4', '10.74.0.5'];
    await untilEqual('the slices of the import', () => mirrored.addresses('taker'), at(...allowed));
    await until('an Event', async () =>
      (await mirrored.events('taker')).some(({ reason }) => reason === 'InstanceRefused'),
    );
    await allowAllAddresses(rig);
    await daemon.stop();
    daemon = await start();
    await untilBoth('guarded', ...allowed, '172.31.0.10', '172.31.0.9');
    await untilEqual('the import', () => mirrored.addresses('taker'), at(...allowed, '172.31.0.10', '172.31.0.9'));
  });
});

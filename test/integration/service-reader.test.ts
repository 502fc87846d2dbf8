import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import { parseConfig } from '../../src/config/load.ts';
import { Absence, NotBelieved } from '../../src/consul/absence.ts';
import type { ConsulClient } from '../../src/consul/client.ts';
import { createConsulClient } from '../../src/consul/create-client.ts';
import { Distrust } from '../../src/consul/distrust.ts';
import { ServiceReader, type KnownService } from '../../src/consul/service-reader.ts';
import { createLog } from '../../src/observability/log.ts';
import { TimeLine } from '../../src/consul/time-line.ts';
import { OwnWitness } from '../../src/to-consul/identity/own-witness.ts';
import { startConsul, type ConsulServer } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { until } from '../rig/until.ts';
import { QUIET } from '../unit/log.ts';

describe('answers about a service that newer ones overtake', () => {
  let server: ConsulServer;
  let consul: ConsulApi;
  let proxy: FaultProxy;
  let client: ConsulClient;
  let reader: ServiceReader;
  let absence: Absence;
  const distrust = new Distrust(systemClock, 2000);

  beforeAll(async () => {
    server = await startConsul();
    consul = new ConsulApi(server.address);
    proxy = await FaultProxy.open(server.address, '');
    client = createConsulClient(
      parseConfig(`{cluster: dev, consul: {address: "${proxy.address}"}}`, {}).consul,
      'test',
      createLog({ level: 'error', format: 'text' }),
    );
    const owner = { cluster: 'dev', clusterUid: 'uid' };
    const witness = await OwnWitness.read({ client, owner, distrust, clock: systemClock });
    const { signal } = new AbortController();
    const timeLine = await TimeLine.read({ client, distrust, log: QUIET, clock: systemClock });
    absence = new Absence({ distrust, timeLine, witness, client, signal });
    reader = new ServiceReader(client, signal, absence);
  }, 60_000);
  afterAll(async () => {
    await client.close();
    await proxy.close();
    await consul.close();
    await server.stop();
  }, 30_000);

  const register = (id: string, port = portOf(id)) =>
    consul.registerOnAgent({ id, name: service(id), address: '192.0.2.1', port });
  const portOf = (id: string) => 8000 + Number(id.slice(id.indexOf('-') + 1));
  const deregister = (id: string) => consul.deregisterFromAgent(id);
  const service = (id: string) => id.slice(0, id.indexOf('-'));
  const idsOf = ({ instances }: KnownService) => instances?.map(({ id }) => id).sort();

  /** A service with these instances, as it was read. */
  async function readOf(...ids: readonly [string, ...string[]]): Promise<KnownService> {
    for (const id of ids) await register(id);
    const known: KnownService = { spelling: service(ids[0]), index: 0, isComplete: false };
    await reader.read(known);
    expect(idsOf(known)).toEqual(ids);
    return known;
  }

  /** Sends a request that starts so, and keeps its answer back, which Consul has given when this resolves. */
  async function keepBack<T>(path: string, send: () => Promise<T>): Promise<{ deliver: () => Promise<T> }> {
    let release: ((value?: unknown) => void) | undefined;
    const released = new Promise((resolve) => (release = resolve));
    let isAnswered = false;
    proxy.readFault = (asked) => {
      if (!asked.startsWith(path)) return 'pass';
      proxy.readFault = () => 'pass';
      return {
        keep: () => {
          isAnswered = true;
          return released;
        },
      };
    };
    const outcome = send();
    await until(`the answer to ${path}`, () => Promise.resolve(isAnswered));
    return {
      deliver: () => {
        release?.();
        return outcome;
      },
    };
  }

  it('are not believed: what is new stays', async () => {
    const known = await readOf('grown-1');
    const { deliver } = await keepBack('/health/service/grown', () => reader.read(known));
    await register('grown-2');
    await reader.read(known);
    expect(await deliver()).toBe(false);
    expect(idsOf(known)).toEqual(['grown-1', 'grown-2']);
  });

  it('are not believed: what is gone does not come back', async () => {
    const known = await readOf('shrunk-1', 'shrunk-2');
    const { deliver } = await keepBack('/health/service/shrunk', () => reader.read(known));
    await deregister('shrunk-2');
    await reader.read(known);
    expect(await deliver()).toBe(false);
    expect(idsOf(known)).toEqual(['shrunk-1']);
  });

  it('are no Consul that went back in time: what goes later goes at once', async () => {
    const known = await readOf('trusted-1', 'trusted-2');
    for (const consistent of [false, true]) {
      const { deliver } = await keepBack('/health/service/trusted', () =>
        consistent ? reader.confirm(known) : reader.read(known),
      );
      await register(`trusted-${consistent ? 4 : 3}`);
      await reader.read(known);
      // A removal that was decided on it would be tried again.
      if (consistent) await expect(deliver()).rejects.toThrow('overtaken');
      else await deliver();
    }
    await deregister('trusted-1');
    expect(await reader.read(known)).toBe(true);
    expect(idsOf(known)).toEqual(['trusted-2', 'trusted-3', 'trusted-4']);
  });

  it('take nothing away from a Consul that lost data, and count for what they have, until they are believed', async () => {
    const known = await readOf('back-1', 'back-2', 'back-3');
    let told = 0;
    const wary = new ServiceReader(client, new AbortController().signal, absence, { onPart: () => told++ });
    distrust.begin('early-answer');
    await consul.setHealth('back-1', 'fail');
    for (const id of ['back-2', 'back-3']) await deregister(id);
    await register('back-4');
    // The third one, under another ID.
    await register('back-5', portOf('back-3'));
    for (const look of [1, 2]) {
      await expect(wary.read(known)).rejects.toThrow(NotBelieved);
      expect(known.instances?.map(({ id, status }) => `${id} ${status}`).sort()).toEqual([
        'back-1 critical',
        'back-2 passing',
        'back-4 passing',
        'back-5 passing',
      ]);
      expect([look, told]).toEqual([look, 1]);
    }
    await until('the end of the distrust', () => Promise.resolve(distrust.loss === undefined));
    // Nothing has changed since, and it is news all the same.
    expect(await reader.read(known)).toBe(true);
    expect(idsOf(known)).toEqual(['back-1', 'back-4', 'back-5']);
  });

  it('take nothing away when the newer one came while the witness was asked for', async () => {
    const known = await readOf('returned-1', 'returned-2');
    await deregister('returned-1');
    const { deliver } = await keepBack('/health/service/consul', () => reader.read(known));
    await register('returned-1');
    await reader.read(known);
    expect(await deliver()).toBe(false);
    expect(idsOf(known)).toEqual(['returned-1', 'returned-2']);
  });
});

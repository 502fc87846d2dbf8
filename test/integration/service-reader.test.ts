import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import './limits.ts';
import { parseConfig } from '../../src/config/load.ts';
import { createConsulClient, type ConsulClient } from '../../src/consul/client.ts';
import { ServiceReader, type KnownService } from '../../src/consul/service-reader.ts';
import { startConsul, type ConsulServer } from '../control-plane/index.ts';
import { ConsulApi } from '../rig/consul.ts';
import { FaultProxy } from '../rig/fault-proxy.ts';
import { until } from '../rig/until.ts';

describe('answers about a service that newer ones overtake', () => {
  let server: ConsulServer;
  let consul: ConsulApi;
  let proxy: FaultProxy;
  let client: ConsulClient;
  let reader: ServiceReader;

  beforeAll(async () => {
    server = await startConsul();
    consul = new ConsulApi(server.address);
    proxy = await FaultProxy.open(server.address, '');
    client = createConsulClient(
      parseConfig(`{cluster: dev, consul: {address: "${proxy.address}"}}`, {}).consul,
      'test',
    );
    reader = new ServiceReader(client, new AbortController().signal);
  }, 60_000);
  afterAll(async () => {
    client.close();
    await proxy.close();
    await consul.close();
    await server.stop();
  }, 30_000);

  const register = (id: string) => consul.registerOnAgent({ id, name: service(id), address: '192.0.2.1', port: 80 });
  const deregister = (id: string) => consul.deregisterFromAgent(id);
  const service = (id: string) => id.slice(0, id.indexOf('-'));
  const idsOf = ({ instances }: KnownService) => instances?.map(({ id }) => id).sort();

  /** A service with these instances, as it was read. */
  async function readOf(...ids: readonly [string, ...string[]]): Promise<KnownService> {
    for (const id of ids) await register(id);
    const known: KnownService = { spelling: service(ids[0]), index: 0 };
    await reader.read(known, false);
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
    const { deliver } = await keepBack('/health/service/grown', () => reader.read(known, false));
    await register('grown-2');
    await reader.read(known, false);
    expect(await deliver()).toBe(false);
    expect(idsOf(known)).toEqual(['grown-1', 'grown-2']);
  });

  it('are not believed: what is gone does not come back', async () => {
    const known = await readOf('shrunk-1', 'shrunk-2');
    const { deliver } = await keepBack('/health/service/shrunk', () => reader.read(known, false));
    await deregister('shrunk-2');
    await reader.read(known, false);
    expect(await deliver()).toBe(false);
    expect(idsOf(known)).toEqual(['shrunk-1']);
  });

  it('are no Consul that went back in time: what goes later goes at once', async () => {
    const known = await readOf('trusted-1', 'trusted-2');
    for (const consistent of [false, true]) {
      const { deliver } = await keepBack('/health/service/trusted', () => reader.read(known, consistent));
      await register(`trusted-${consistent ? 4 : 3}`);
      await reader.read(known, false);
      await deliver();
    }
    await deregister('trusted-1');
    expect(await reader.read(known, false)).toBe(true);
    expect(idsOf(known)).toEqual(['trusted-2', 'trusted-3', 'trusted-4']);
  });

  it('take nothing away when the newer one came while the witness was asked for', async () => {
    const known = await readOf('returned-1', 'returned-2');
    await deregister('returned-1');
    const { deliver } = await keepBack('/health/service/consul', () => reader.read(known, false));
    await register('returned-1');
    await reader.read(known, false);
    expect(await deliver()).toBe(false);
    expect(idsOf(known)).toEqual(['returned-1', 'returned-2']);
  });
});

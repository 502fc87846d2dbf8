import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Family } from '../../src/address.ts';
import { makePlan } from '../../src/commands/plan.ts';
import { parseConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createHostLookup, type DnsConfig } from '../../src/to-kubernetes/addresses/host-lookup.ts';
import { DnsServer } from '../rig/dns-server.ts';
import { openRig, until, untilEqual, untilIdle, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

let dns: DnsServer;
beforeEach(async () => {
  dns = await DnsServer.open();
});
afterEach(() => dns.close());

describe('looking up a host name', () => {
  const stop = new AbortController();
  afterAll(() => stop.abort());

  const lookUp = (host: string, families: Family[] = ['IPv4', 'IPv6'], config: Partial<DnsConfig> = {}) =>
    createHostLookup({ servers: [dns.address], search: [], ...config }, stop.signal)(host, families);

  it('gives its addresses in order, and the TTL that DNS says', async () => {
    dns.set('vm-1.example.com', ['192.0.2.9', '192.0.2.10', '2001:db8::1']);
    dns.ttlSeconds = 77;
    expect(await lookUp('vm-1.example.com')).toEqual({ addresses: ['192.0.2.10', '192.0.2.9'], ttlMs: 77_000 });
    expect(dns.questions).toEqual(['A vm-1.example.com']);
  });

  it('asks for the preferred family first, and for the other when there is none of it', async () => {
    dns.set('both.example.com', ['192.0.2.9', '2001:db8::1']);
    dns.set('six.example.com', ['2001:db8::2']);
    expect((await lookUp('both.example.com', ['IPv6', 'IPv4'])).addresses).toEqual(['2001:db8::1']);
    expect((await lookUp('six.example.com')).addresses).toEqual(['2001:db8::2']);
  });

  it('looks for a name without a dot in the search domains first', async () => {
    dns.set('vm-1.second.example', ['192.0.2.9']);
    dns.set('plain', ['192.0.2.10']);
    const search = ['first.example', 'second.example'];
    expect((await lookUp('vm-1', ['IPv4'], { search })).addresses).toEqual(['192.0.2.9']);
    expect((await lookUp('plain', ['IPv4'], { search })).addresses).toEqual(['192.0.2.10']);
    expect(dns.questions).toEqual([
      'A vm-1.first.example',
      'A vm-1.second.example',
      'A plain.first.example',
      'A plain.second.example',
      'A plain',
    ]);
  });

  it('says whether there is no name, no address, or no answer', async () => {
    dns.set('empty.example.com', []);
    await expect(lookUp('none.example.com')).rejects.toThrow('there is no such name in DNS');
    await expect(lookUp('empty.example.com')).rejects.toThrow('it has no address in DNS');
    dns.mode = 'broken';
    await expect(lookUp('vm-1.example.com')).rejects.toThrow('DNS did not answer (ESERVFAIL)');
    dns.mode = 'silent';
    await expect(lookUp('vm-1.example.com')).rejects.toThrow('DNS did not answer');
  });
});

describe('instances that are registered by host name', () => {
  let rig: Rig;
  let mirrored: Mirrored;

  beforeAll(async () => {
    rig = await openRig();
    mirrored = new Mirrored(rig);
  }, 60_000);
  afterAll(() => rig.close(), 30_000);

  const start = () =>
    rig.startDaemon({ toKubernetes: { removalGrace: '0s', dns: { servers: [dns.address], search: ['example.com'] } } });
  const register = (id: string, name: string, address: string, port = 8080) =>
    rig.consul.registerOnAgent({ id, name, address, port });
  const events = async (name: string) => (await mirrored.events(name)).map(({ reason, note }) => `${reason} ${note}`);

  it('are endpoints at their address, follow it, and stay at it when DNS fails', async () => {
    dns.set('vm-1.example.com', ['192.0.2.51']);
    const daemon = await start();
    await register('spring-1', 'spring', 'vm-1');
    await register('spring-2', 'spring', '192.0.2.52');
    await untilEqual('both', () => mirrored.addresses('spring'), ['192.0.2.51:8080', '192.0.2.52:8080']);
    await untilEqual('both, in Endpoints', () => mirrored.legacyAddresses('spring'), [
      '192.0.2.51:8080',
      '192.0.2.52:8080',
    ]);
    for (const slice of await mirrored.slices('spring')) expect(slice.addressType).toBe('IPv4');
    // Its health is followed as ever.
    await rig.consul.setHealth('spring-1', 'fail');
    await untilEqual('without it', () => mirrored.addresses('spring'), ['192.0.2.52:8080']);
    await rig.consul.setHealth('spring-1', 'pass');
    await untilEqual('with it', () => mirrored.addresses('spring'), ['192.0.2.51:8080', '192.0.2.52:8080']);
    dns.set('vm-1.example.com', ['192.0.2.53']);
    await untilEqual('its new address', () => mirrored.addresses('spring'), ['192.0.2.52:8080', '192.0.2.53:8080']);
    dns.mode = 'broken';
    await until('the doubt', async () => (await events('spring')).some((text) => /^HostUnresolved .*vm-1/.test(text)));
    expect(await mirrored.addresses('spring')).toEqual(['192.0.2.52:8080', '192.0.2.53:8080']);
    await daemon.stop();
  });

  it('stay where they are over a restart, also when DNS does not answer at all', async () => {
    dns.mode = 'silent';
    const before = await mirrored.all('spring');
    const daemon = await start();
    await until('questions', () => Promise.resolve(dns.questions.length > 1));
    await untilIdle(daemon);
    await rig.consul.setHealth('spring-2', 'fail');
    await untilEqual('the other one only', () => mirrored.addresses('spring'), ['192.0.2.53:8080']);
    await rig.consul.setHealth('spring-2', 'pass');
    await untilEqual('both', () => mirrored.addresses('spring'), ['192.0.2.52:8080', '192.0.2.53:8080']);
    await daemon.stop();
    dns.mode = 'well';
    dns.set('vm-1.example.com', ['192.0.2.53']);
    const settled = await mirrored.all('spring');
    const again = await start();
    await until('questions', () => Promise.resolve(dns.questions.length > 3));
    await untilIdle(again);
    expect(await mirrored.all('spring')).toEqual(settled);
    expect(settled).not.toEqual(before);
    await again.stop();
  });

  it('are refused one by one when they lead nowhere, or where they must not', async () => {
    dns.set('loop.example.com', ['127.0.0.1']);
    const { spec } = (await rig.kubernetes.find('/api/v1/namespaces/default/services/kubernetes')) as unknown as {
      spec: { clusterIP: string };
    };
    dns.set('api.example.com', [spec.clusterIP]);
    dns.set('good.example.com', ['169.254.169.254', '192.0.2.54', '192.0.2.55']);
    const daemon = await start();
    for (const host of ['nowhere', 'loop', 'api', 'good']) await register(`mixed-${host}`, 'mixed', host);
    await register('mixed-old', 'mixed', '127.1');
    await untilEqual('the good one', () => mirrored.addresses('mixed'), ['192.0.2.54:8080']);
    await until('an Event', async () =>
      (await events('mixed')).some((text) => text.startsWith('InstanceRefused 4 instances')),
    );
    dns.set('nowhere.example.com', ['192.0.2.56']);
    await untilEqual('it appears in DNS', () => mirrored.addresses('mixed'), ['192.0.2.54:8080', '192.0.2.56:8080']);
    // Who looks once waits for DNS, and sees the same.
    const config = parseConfig(
      JSON.stringify({
        cluster: rig.cluster,
        kubernetes: { kubeconfig: rig.kubeconfig },
        consul: { address: rig.consulServer.address },
        toConsul: { enabled: false },
        toKubernetes: { namespaces: [rig.namespace], dns: { servers: [dns.address], search: ['example.com'] } },
      }),
      {},
    );
    const log = createLog({ level: 'error', format: 'json', stream: process.stderr });
    const plan = await makePlan({ config, log, metrics: createMetrics(), version: 'test' }, 20_000);
    expect(plan.changes).toEqual([]);
    expect(plan.rejections.map(({ object }) => object).filter((object) => object.includes('/mixed-'))).toHaveLength(3);
    await rig.consul.deregisterFromAgent('mixed-good');
    await untilEqual('one goes', () => mirrored.addresses('mixed'), ['192.0.2.56:8080']);
    await daemon.stop();
  });
});

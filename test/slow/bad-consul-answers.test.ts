import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { parseConfig } from '../../src/config/load.ts';
import { readNode } from '../../src/consul/catalog-reader.ts';
import { createConsulClient } from '../../src/consul/create-client.ts';
import { createLog } from '../../src/observability/log.ts';
import { FaultProxy, type Changed, type Reply } from '../rig/fault-proxy.ts';
import { openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/**
 * Rows of test/unit/to-kubernetes/bad-input.test.ts that no Consul says, but something on the way to it might: its answer
 * about one service is spoilt, and everything else is Consul's own.
 */

type Spoil = (reply: Reply) => Changed;
interface Unbelieved {
  readonly what: string;
  readonly says: RegExp;
  readonly spoil: Spoil;
}

const MIB = 1024 * 1024;
const blanks = (bytes: number) => Buffer.alloc(bytes, ' ');
function* endless(first: string) {
  for (yield Buffer.from(first); ;) yield blanks(MIB);
}
const typed = ({ headers }: Reply, type: string) => ({ ...headers, 'content-type': type });
const raw = (status: string, { headers }: Reply, body: string) =>
  `HTTP/1.1 ${status}\r\nx-consul-index: ${headers['x-consul-index']?.toString() ?? ''}\r\ncontent-type: application/json\r\n\r\n${body}`;

const LONGER = /expected an answer of at most 64 MiB, found a longer one/;
const NO_JSON = /decode \(application\/json\) failed/;
const NO_LIST = /expected an array, found /;
let elsewhere: FaultProxy;
const visits: string[] = [];
let ofAnother: Reply | undefined;

const UNBELIEVED: readonly Unbelieved[] = [
  // Blanks behind a list are JSON like any other: it is the length alone that is wrong.
  { what: 'B52 of 100 MB', says: LONGER, spoil: ({ body }) => ({ body: [Buffer.from(body), blanks(100 * MIB)] }) },
  {
    what: 'B52 that says that it has 100 MB',
    says: LONGER,
    spoil: ({ headers, body }) => ({
      headers: { ...headers, 'content-length': String(body.length + 100 * MIB) },
      body: [Buffer.from(body), blanks(100 * MIB)],
    }),
  },
  { what: 'B52 without end', says: LONGER, spoil: ({ body }) => ({ body: endless(body) }) },
  {
    what: 'B52 that is a bomb once it is unpacked',
    says: NO_JSON,
    spoil: ({ headers }) => ({ headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(blanks(64 * MIB)) }),
  },
  {
    what: 'B52 with a header of 1 MB',
    says: /Header overflow/i,
    spoil: ({ headers }) => ({ headers: { ...headers, 'x-long': 'x'.repeat(MIB) } }),
  },
  { what: 'B53 behind a byte order mark', says: NO_JSON, spoil: ({ body }) => ({ body: `\ufeff${body}` }) },
  { what: 'B53 with something behind it', says: NO_JSON, spoil: ({ body }) => ({ body: `${body}]` }) },
  {
    what: 'B53 with a number that is none',
    says: NO_JSON,
    spoil: ({ body }) => ({ body: body.replace('8080', 'NaN') }),
  },
  {
    what: 'B53 that is cut off',
    says: /found one that ends in the middle/,
    spoil: (reply) => ({ raw: raw('200 OK\r\ncontent-length: 1000000', reply, reply.body) }),
  },
  { what: 'B53 that ends in the middle', says: NO_JSON, spoil: ({ body }) => ({ body: body.slice(0, -20) }) },
  ...[301, 302, 307].map((status) => ({
    what: `B54 that leads to another server (${status})`,
    says: new RegExp(`Consul answered ${status}`),
    spoil: ({ headers }: Reply) => ({
      ...{ status, body: '' },
      headers: { ...headers, location: `${elsewhere.address}/v1/health/service/x` },
    }),
  })),
  {
    what: 'B54 in another protocol',
    says: /found one in another protocol/,
    spoil: (reply) => ({ raw: raw('101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x', reply, reply.body) }),
  },
  {
    what: 'B54 without content that has some',
    says: /Parse Error: Expected HTTP/,
    spoil: (reply) => ({ raw: raw('204 No Content', reply, reply.body) }),
  },
  { what: 'B55 of another type', says: NO_LIST, spoil: (reply) => ({ headers: typed(reply, 'text/plain') }) },
  {
    what: 'B55 that is a page to log in',
    says: NO_LIST,
    spoil: (reply) => ({ headers: typed(reply, 'text/html'), body: '<html><form>Who are you?</form></html>' }),
  },
  { what: 'B56 to another question', says: /found one about another service/, spoil: () => ofAnother ?? {} },
];

/** What the first instance says of its own port, and not of those of its addresses. */
const portOfFirst =
  (text: string): Spoil =>
  ({ body }) => {
    const rows = JSON.parse(body) as { Service: { ID: string; Port: unknown } }[];
    for (const { Service } of rows) if (Service.ID.endsWith('-1')) Service.Port = 'spoilt';
    return { body: JSON.stringify(rows).replace('"Port":"spoilt"', text) };
  };

/** The first instance is spoilt, and it alone is no endpoint. */
const COSTS_ONE: readonly (readonly [string, Spoil])[] = [
  ['B43 a port that is text', portOfFirst('"Port":"8080"')],
  ['B43 no port', portOfFirst('"Gate":8080')],
  ['B53 a number beyond all', portOfFirst('"Port":1e400')],
  ['B53 a key twice', portOfFirst('"Port":8080,"Port":0')],
];
const nested = '['.repeat(10_000) + ']'.repeat(10_000);
const COSTS_NONE: readonly (readonly [string, Spoil])[] = [
  ['B45 tags that are nothing', ({ body }) => ({ body: body.replace('"Tags":[]', '"Tags":null') })],
  ['B45 tags of another type', ({ body }) => ({ body: body.replace('"Tags":[]', '"Tags":{"a":[1]}') })],
  ['B45 tags in 10 000 lists', ({ body }) => ({ body: body.replace('"Tags":[]', `"Tags":${nested}`) })],
  ['B45 meta of another type', ({ body }) => ({ body: body.replace('"Meta":{"secure":"false"}', '"Meta":[{"a":1}]') })],
  ['B46 output of 4 MB', ({ body }) => ({ body: body.replace('"Output":""', `"Output":"${'x'.repeat(4 * MIB)}"`) })],
  ['B52 a length that is still to be believed', ({ body }) => ({ body: [Buffer.from(body), blanks(60 * MIB)] })],
  [
    'B53 bytes that are no text',
    ({ body }) => ({ body: Buffer.from(body.replace('"Tags":[]', '"Tags":["\u00ff"]'), 'latin1') }),
  ],
  [
    'B54 1000 early hints',
    (reply) => ({ raw: 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1000) + raw('200 OK', reply, reply.body) }),
  ],
];

describe('answers that are not as Consul gives them', () => {
  let rig: Rig;
  let proxy: FaultProxy;
  let daemon: Daemon;
  let mirrored: Mirrored;
  let spoiltName = '';
  let spoil: Spoil = () => ({});
  let spoilt = 0;
  let number = 0;

  beforeAll(async () => {
    rig = await openRig();
    mirrored = new Mirrored(rig);
    elsewhere = await FaultProxy.open(rig.consul.address, '');
    elsewhere.readFault = (path) => {
      visits.push(path);
      return 'pass';
    };
    proxy = await FaultProxy.open(rig.consul.address, '');
    // Of the answer, when it comes: a question may have been waiting for it for long.
    proxy.readFault = (path) => ({
      change(reply) {
        const name = path.split('?')[0]?.replace('/health/service/', '');
        if (name === 'beside') ofAnother = reply;
        if (name !== spoiltName) return {};
        spoilt++;
        return spoil(reply);
      },
    });
    await rig.consul.registerOnAgent({ id: 'beside', name: 'beside', address: '198.51.100.9', port: 80 });
    daemon = await rig.startDaemon({
      consulAddress: proxy.address,
      toConsul: { enabled: false },
      toKubernetes: { removalGrace: '0s' },
    });
  }, 60_000);
  afterAll(async () => {
    await rig.close();
    await proxy.close();
    await elsewhere.close();
  }, 30_000);

  const BOTH = ['198.51.100.1:8080', '198.51.100.2:8080'];

  /** A service of two instances, as it was mirrored while all was well. */
  async function openService(): Promise<string> {
    const name = `service-${number++}`;
    for (const last of [1, 2])
      await rig.consul.registerOnAgent({ id: `${name}-${last}`, name, address: `198.51.100.${last}`, port: 8080 });
    await untilEqual('both', () => mirrored.addresses(name), BOTH);
    await untilIdle(daemon);
    return name;
  }

  function startSpoiling(name: string, how: Spoil): void {
    [spoiltName, spoil, spoilt] = [name, how, 0];
  }

  /** The other service is followed as ever. */
  async function expectBesideFollowed(): Promise<void> {
    await rig.consul.setHealth('beside', 'fail');
    await untilEqual('without endpoints', () => mirrored.addresses('beside'), []);
    await rig.consul.setHealth('beside', 'pass');
    await untilEqual('with its endpoint', () => mirrored.addresses('beside'), ['198.51.100.9:80']);
  }

  it.each(UNBELIEVED)('$what: it is not believed, and costs neither what was known nor others', async (row) => {
    const name = await openService();
    startSpoiling(name, row.spoil);
    await rig.consul.setHealth(`${name}-1`, 'fail');
    const failures = () =>
      daemon.records.filter(({ query, message }) => query === `read service ${name}` && message.includes('failed'));
    await until('two tries', () => Promise.resolve(spoilt >= 2 && failures().length >= 2));
    for (const { error } of failures()) expect(error).toMatch(row.says);
    await expectBesideFollowed();
    expect(await mirrored.addresses(name)).toEqual(BOTH);
    expect(visits).toEqual([]);
    startSpoiling('', () => ({}));
    await untilEqual('what is true', () => mirrored.addresses(name), ['198.51.100.2:8080']);
  });

  it.each([
    ...COSTS_ONE.map((row) => [...row, ['198.51.100.2:8080']] as const),
    ...COSTS_NONE.map((row) => [...row, BOTH] as const),
  ])('%s: the instance alone is concerned, and the others are followed', async (_, how, expected) => {
    const name = await openService();
    startSpoiling(name, how);
    await rig.consul.registerOnAgent({ id: `${name}-3`, name, address: '198.51.100.3', port: 8080 });
    const all = [...expected, '198.51.100.3:8080'];
    await untilEqual('the others', () => mirrored.addresses(name), all);
    await untilEqual('the others, in Endpoints', () => mirrored.legacyAddresses(name), all);
    expect(spoilt).toBeGreaterThan(0);
    await expectBesideFollowed();
    startSpoiling('', () => ({}));
  });

  it('B56 about another Consul node: it is not believed', async () => {
    for (const Node of ['vm-1', 'vm-2'])
      await rig.consul.must('PUT', '/catalog/register', { Node, Address: '198.51.100.1' });
    const mixing = await FaultProxy.open(rig.consul.address, '');
    const config = parseConfig(`{cluster: dev, consul: {address: "${mixing.address}"}}`, {}).consul;
    const client = createConsulClient(config, 'test', createLog({ level: 'error', format: 'text' }));
    try {
      expect((await readNode(client, 'VM-1'))?.node.name).toBe('vm-1');
      mixing.readFault = () => ({ change: ({ body }) => ({ body: body.replaceAll('vm-1', 'vm-2') }) });
      await expect(readNode(client, 'vm-1')).rejects.toThrow('found one about another node');
      expect((await readNode(client, 'vm-2'))?.node.name).toBe('vm-2');
    } finally {
      await client.close();
      await mixing.close();
    }
  });
});

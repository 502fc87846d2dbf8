import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DnsServer } from '../rig/dns-server.ts';
import { nextPodIP, openRig, until, untilEqual, untilIdle, type Daemon, type Rig } from '../rig/index.ts';
import { Mirrored } from '../rig/mirrored.ts';

/**
 * Rows of test/unit/to-kubernetes/bad-input.test.ts that a real Consul lets through, seen from outside: what is refused
 * is told by an Event, the log and a metric, and its neighbours, instances and services, are followed as ever.
 */

interface Row {
  readonly what: string;
  readonly says: RegExp;
  /** Of the bad one of three instances. */
  readonly service: object;
}
const at = (what: string, Address: string, says: RegExp): Row => ({ what, says, service: { Address, Port: 80 } });

const isIn = (range: string) => new RegExp(`its address \\S+ is in ${range}`);
const LOOPBACK = isIn('127.0.0.0/8 \\(loopback\\)');
const ROWS: readonly Row[] = [
  at('B37 loopback', '127.0.0.1', LOOPBACK),
  at('B37 loopback of IPv6', '::1', isIn('::1/128')),
  at('B38 the metadata of most clouds', '169.254.169.254', isIn('169.254.0.0/16 \\(link-local\\)')),
  at(
    'B38 the metadata of AWS in IPv6',
    'fd00:ec2::254',
    /its address \S+ is where a cloud tells machines their credentials/,
  ),
  at(
    'B38 the metadata of Alibaba',
    '100.100.100.200',
    /its address \S+ is where a cloud tells machines their credentials/,
  ),
  at('B40 loopback as IPv6', '::ffff:127.0.0.1', LOOPBACK),
  at('B40 loopback in hexadecimal', '0x7f.1', /its address "0x7f\.1" is neither an IP address nor a host name/),
  at('B40 loopback as a number', '2130706433', /its address "2130706433" is neither an IP address nor a host name/),
  at('B40 an address with a zone', 'fe80::1%eth0', /its address \S+ has a zone/),
  at('B41 multicast', '224.0.0.1', isIn('224.0.0.0/4')),
  at('B41 broadcast', '255.255.255.255', isIn('255.255.255.255/32')),
  at('B42 a host that nobody knows', 'none.example.com', /its host name none\.example\.com cannot be resolved/),
  at('B42 a host that is here', 'here.example.com', /its host name here\.example\.com: its address \S+ is in 127/),
  at('B42 no address, on a node that has none that can be', '', LOOPBACK),
  { what: 'B43 no port', says: /its port is 0/, service: { Address: '198.51.100.2' } },
  { what: 'B43 port -1', says: /its port is -1/, service: { Address: '198.51.100.2', Port: -1 } },
  { what: 'B43 port 65 536', says: /its port is 65536/, service: { Address: '198.51.100.2', Port: 65_536 } },
  { what: 'B43 port 1e9', says: /its port is 1000000000/, service: { Address: '198.51.100.2', Port: 1e9 } },
];

let dns: DnsServer;
let rig: Rig;
let daemon: Daemon;
let mirrored: Mirrored;

beforeAll(async () => {
  dns = await DnsServer.open();
  dns.set('here.example.com', ['127.0.0.1']);
  dns.set('vm-2.example.com', ['198.51.100.2']);
  rig = await openRig();
  mirrored = new Mirrored(rig);
  await rig.consul.registerOnAgent({ id: 'beside', name: 'beside', address: '198.51.100.9', port: 80 });
  daemon = await rig.startDaemon({ toKubernetes: { removalGrace: '0s', dns: { servers: [dns.address], search: [] } } });
}, 60_000);
afterAll(async () => {
  await rig.close();
  await dns.close();
}, 30_000);

/** Straight into the catalog, which judges less than an agent; the node's own address is loopback. */
const register = (ID: string, Service: string, more: object, check: object = {}, node = 'farm') =>
  rig.consul.must('PUT', '/catalog/register', {
    ...{ Node: node, Address: '127.0.0.1', SkipNodeUpdate: true },
    Service: { ID, Service, ...more },
    Check: { CheckID: `service:${ID}`, Name: 'health', Status: 'passing', ServiceID: ID, ...check },
  });
/** An instance as it should be, at 198.51.100.<last>:80. */
const registerGood = (service: string, last: number) =>
  register(`${service}-${last}`, service, { Address: `198.51.100.${last}`, Port: 80 });
const good = (...last: number[]) => last.map((number) => `198.51.100.${number}:80`);

async function untilEvent(object: string, reason: string): Promise<string> {
  const told = async () => (await mirrored.events(object)).find((event) => event.reason === reason)?.note;
  return until(`the Event ${reason} about ${object}`, told);
}

/** Another service is followed, and what it had is not written for anything but its own changes. */
async function expectBesideFollowed(): Promise<void> {
  await rig.consul.setHealth('beside', 'fail');
  await untilEqual('without endpoints', () => mirrored.addresses('beside'), []);
  await rig.consul.setHealth('beside', 'pass');
  await untilEqual('with its endpoint', () => mirrored.addresses('beside'), ['198.51.100.9:80']);
}

async function refusalsCounted(): Promise<number> {
  const { values } = await daemon.metrics.rejections.get();
  return values.find(({ labels }) => labels.reason === 'InstanceRefused')?.value ?? 0;
}

describe('an instance', () => {
  /** A service with two good instances, mirrored, and then a bad one and another good one. */
  async function expectRefusedAlone(name: string, bad: object, says: RegExp): Promise<void> {
    await registerGood(name, 1);
    await registerGood(name, 3);
    await untilEqual('the good ones', () => mirrored.addresses(name), good(1, 3));
    await untilIdle(daemon);
    const [counted, others] = [await refusalsCounted(), await mirrored.all('beside')];
    await register(`${name}-bad`, name, bad);
    expect(await untilEvent(name, 'InstanceRefused')).toMatch(says);
    await registerGood(name, 4);
    await untilEqual('the good ones alone', () => mirrored.addresses(name), good(1, 3, 4));
    await untilEqual('in Endpoints too', () => mirrored.legacyAddresses(name), good(1, 3, 4));
    await untilIdle(daemon);
    expect(await refusalsCounted()).toBe(counted + 1);
    const said = daemon.records.filter(
      ({ object, reason }) => object === `${name} in ${rig.namespace}` && reason !== undefined,
    );
    expect(said).toEqual([expect.objectContaining({ reason: 'InstanceRefused', level: 'warn' })]);
    expect(await mirrored.all('beside')).toEqual(others);
    await expectBesideFollowed();
  }

  it.each(ROWS.map((row, i) => ({ ...row, i })))('$what: it is refused alone', ({ i, service, says }) =>
    expectRefusedAlone(`row-${i}`, service, says),
  );

  it('B39: an address of the API server and one of Services are refused alone, and that of a pod is not', async () => {
    const { kubernetes, namespace } = rig;
    const clusterIP = (await new Mirrored(rig, 'default').service('kubernetes'))?.spec.clusterIP;
    await expectRefusedAlone('of-services', { Address: clusterIP, Port: 80 }, /gives to Services/);
    const slices = await new Mirrored(rig, 'default').slices('kubernetes');
    const [address = ''] = slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses));
    await expectRefusedAlone(
      'of-api-server',
      { Address: address, Port: 80 },
      /its address \S+ is that of the API server/,
    );
    const ip = nextPodIP();
    await kubernetes.createPod(namespace, 'self', { ip });
    await register('self', 'self', { Address: ip, Port: 8080 });
    await untilEqual('the pod', () => mirrored.addresses('self'), [`${ip}:8080`]);
  });

  it('B42: a host name is the address that DNS says, and no address that of the node', async () => {
    await rig.consul.must('PUT', '/catalog/register', { Node: 'vm-4', Address: '198.51.100.4' });
    await registerGood('hosts', 1);
    await register('by-host', 'hosts', { Address: 'vm-2.example.com', Port: 80 });
    await register('by-node', 'hosts', { Port: 80 }, {}, 'vm-4');
    await untilEqual('all three', () => mirrored.addresses('hosts'), good(1, 2, 4));
  });

  it('B43: one address and port twice is one endpoint', async () => {
    await registerGood('twice', 1);
    await register('ghost', 'twice', { Address: '198.51.100.1', Port: 80 });
    await register('mapped', 'twice', { Address: '::ffff:198.51.100.1', Port: 80 });
    await registerGood('twice', 2);
    await untilEqual('two', () => mirrored.addresses('twice'), good(1, 2));
    expect(await mirrored.events('twice')).toEqual([]);
  });

  it('B46: an unknown status gets no traffic; 100 checks and an output of 400 KB are as good as any', async () => {
    for (const last of [1, 2, 3]) await registerGood('checked', last);
    await untilEqual('all', () => mirrored.addresses('checked'), good(1, 2, 3));
    await register('checked-2', 'checked', { Address: '198.51.100.2', Port: 80 }, { Status: 'unheard-of' });
    await rig.consul.must('PUT', '/catalog/register', {
      ...{ Node: 'farm', Address: '127.0.0.1', SkipNodeUpdate: true },
      Checks: Array.from({ length: 100 }, (_, i) => ({
        ...{ Node: 'farm', CheckID: `more-${i}`, Name: 'more', Status: i === 50 ? 'warning' : 'passing' },
        ...{ ServiceID: 'checked-3', Output: 'x'.repeat(4000) },
      })),
    });
    await untilEqual('the others', () => mirrored.addresses('checked'), good(1, 3));
    await expectBesideFollowed();
  });

  it('B47 and B48: meta that is no label, zone or protocol is left out, and nobody is cut or lost', async () => {
    const Meta = Object.fromEntries([
      ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((key) => [key, 'x']),
      ...[
        ['zone', 'z'.repeat(64)],
        ['protocol', 'a b'],
        ['version', 'v'.repeat(64)],
      ],
    ]) as object;
    await registerGood('told', 1);
    await register('told-2', 'told', { Address: '198.51.100.2', Port: 80, Meta });
    await register('told-3', 'told', { Address: '198.51.100.3', Port: 80, Meta: { zone: 'eu-1a' } });
    await untilEqual('all', () => mirrored.addresses('told'), good(1, 2, 3));
    const endpoints = (await mirrored.slices('told')).flatMap(({ endpoints }) => endpoints ?? []);
    expect(endpoints.map(({ addresses, zone }) => `${addresses.join()} ${zone ?? 'no zone'}`).sort()).toEqual([
      '198.51.100.1 no zone',
      '198.51.100.2 no zone',
      '198.51.100.3 eu-1a',
    ]);
    await expectBesideFollowed();
  });
});

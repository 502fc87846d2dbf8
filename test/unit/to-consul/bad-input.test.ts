import { describe, expect, it } from '@jest/globals';
import { createResources } from '../../../src/kubernetes/resources.ts';
import { WatchedView } from '../../../src/kubernetes/view.ts';
import type { Pod } from '../../../src/kubernetes/objects.ts';
import { isOurAnnotation } from '../../../src/to-consul/requests/annotations.ts';
import { desiredRegistrations, type DesiredConfig } from '../../../src/to-consul/desired/desired-registrations.ts';
import { mayPublish, type Policy } from '../../../src/to-consul/desired/policy.ts';
import {
  PREFIX,
  annotations,
  condition,
  container,
  owner,
  pod,
  policy,
  service,
  slice,
  toConsulConfig,
} from '../builders.ts';

/**
 * What people, and broken or hostile programs, may put into Kubernetes: by number, as the project counts them. The rule
 * for all: the pod is rejected alone, with one sentence for whoever can fix it, and what it has in Consul stays.
 */

const resources = createResources({ annotation: (key) => isOurAnnotation(key, PREFIX), variable: () => false });

interface Given extends Partial<Pod> {
  readonly text?: Readonly<Record<string, string>>;
  readonly config?: Partial<DesiredConfig>;
}

function desired({ text = {}, config = {}, ...overrides }: Given) {
  return desiredRegistrations(owner, toConsulConfig(config), {
    pod: pod({ annotations: annotations({ 'service-name': 'orders', ...text }), ...overrides }),
    services: [],
    zone: '',
    nodeAddress: '192.168.1.11',
  });
}

const shown = (given: Given) =>
  [...desired(given).registrations.values()].map(({ service, address, port }) => `${service} ${address}:${port}`);

/** Rejected as a whole, for these reasons; nothing that it has is taken, and no message is longer or wilder than a line. */
function expectRejected(given: Given, ...reasons: string[]): void {
  const { registrations, rejections, held } = desired(given);
  expect([...registrations]).toEqual([]);
  expect([...new Set(rejections.map(({ reason }) => reason))]).toEqual(reasons);
  expect([...held]).toEqual(['']);
  for (const { message } of rejections) {
    expect(message.length).toBeLessThan(600);
    expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
  }
}

const named = (name: string): Given => ({ text: { 'service-name': name } });

describe('names', () => {
  it.each(['', ' ', '\t\n '])('B1: empty (%j)', (name) => expectRejected(named(name), 'InvalidServiceName'));

  it.each([64, 255, 10_000])('B2: of %i characters', (length) =>
    expectRejected(named('a'.repeat(length)), 'InvalidServiceName'),
  );

  it.each(['consul', 'CONSUL', 'consular', 'nomad', 'vault', 'orders-sidecar-proxy'])('B3: reserved (%s)', (name) =>
    expectRejected(named(name), 'ReservedName'),
  );

  it('B4: that a rule gives to another namespace', () => {
    const rules = [{ namespaces: ['billing'], services: ['orders'] }];
    expectRejected({ config: { policy: policy({ rules }) } }, 'PolicyDenied');
  });

  it('B5: that others have in Consul are joined, unless the policy denies and has no rule for it', () => {
    const taken = { hasForeignInstances: true, firstNamespace: undefined };
    const outcome = (overrides: Partial<Policy>) => mayPublish(policy(overrides), 'shop', 'Orders', taken)?.reason;
    const rules = [{ namespaces: ['shop'], services: ['orders'] }];
    expect(outcome({})).toBeUndefined();
    expect(outcome({ default: 'deny' })).toBe('PolicyDenied');
    expect(outcome({ default: 'deny', rules })).toBeUndefined();
  });

  it.each(['../agent', 'a%2fb', 'a?dc=x', 'a#b', 'a/b', 'a&b', 'a b'])('B6: of a path or query (%s)', (name) =>
    expectRejected(named(name), 'InvalidServiceName'),
  );

  it.each(['a\r\nb', 'a\u0000b', 'a\u001b[31m', 'a\u202eb', 'a\u2066b'])('B7: with control characters (%j)', (name) => {
    expectRejected(named(name), 'InvalidServiceName');
    expectRejected({ text: { 'service-tags': name } }, 'InvalidAnnotation');
    expectRejected({ text: { 'service-meta-team': name } }, 'InvalidMeta');
    expectRejected({ text: { 'service-port': name } }, 'InvalidPort');
    for (const key of ['service-weight', 'not-ready', 'service-sync', `service-tags.${name}`, name])
      expectRejected({ text: { [key]: name } }, 'InvalidAnnotation');
  });

  it.each(['оrders', 'order\u0301s', 'orders🚀', 'ｏrders', 'ordérs'])('B8: that only look like one (%s)', (name) =>
    expectRejected(named(name), 'InvalidServiceName'),
  );
});

describe('annotations', () => {
  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('B9: keys of JavaScript (%s)', (key) => {
    expectRejected({ text: { [`service-meta-${key}.x y`]: '1' } }, 'InvalidAnnotation');
    const { registrations } = desired({
      annotations: new Map([
        ['consular.dev/service-name', 'orders'],
        [`consular.dev/service-meta-${key}`, 'x'],
      ]),
    });
    expect([...registrations.values()][0]?.meta.get(key)).toBe('x');
    expect(Object.prototype).toEqual({});
  });

  it('B10: 5 000 keys and 256 KiB', () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`service-meta-k${i}`, 'x'.repeat(40)]));
    expectRejected({ text: many }, 'InvalidMeta');
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['65 entries', Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`service-meta-k${i}`, 'x']))],
    ['a key of 129 characters', { [`service-meta-${'k'.repeat(129)}`]: 'x' }],
    ['a value of 513 bytes', { 'service-meta-team': 'x'.repeat(513) }],
    ['a value of 257 characters and 514 bytes', { 'service-meta-team': 'é'.repeat(257) }],
    ['the prefix consul-', { 'service-meta-consul-x': 'x' }],
  ])('B11: meta with %s', (_, text) => expectRejected({ text }, 'InvalidMeta'));

  it.each([
    'managed-by',
    'external-source',
    'k8s-cluster',
    'k8s-namespace',
    'k8s-pod',
    'k8s-pod-uid',
    'k8s-node',
    'k8s-workload',
    'k8s-service',
    'k8s-cluster-uid',
  ])("B12: Consular's own meta %s", (key) => expectRejected({ text: { [`service-meta-${key}`]: 'x' } }, 'InvalidMeta'));

  it('B13: tags with a meaning elsewhere, where the policy does not allow them, and more than Consul takes at once', () => {
    const tags = { include: ['*'], exclude: ['traefik.*', 'urlprefix-*', 'primary'] };
    for (const tag of ['traefik.enable=true', 'urlprefix-/', 'primary'])
      expectRejected({ text: { 'service-tags': tag }, config: { policy: policy({ tags }) } }, 'PolicyDenied');
    expectRejected(
      { text: { 'service-tags': Array.from({ length: 50_000 }, (_, i) => `t${i}`).join() } },
      'InvalidAnnotation',
    );
  });

  it.each(['0', '65536', 'abc', '1e3', '8 0', '0x50', '-1', '99999999999999999999', 'metrics', '８０８０'])(
    'B14: port %j',
    (port) => expectRejected({ text: { 'service-port': port } }, 'InvalidPort'),
  );

  it('B15: one number twice, for UDP and for TCP, and SCTP', () => {
    const containers = [
      container({
        ports: [
          { name: 'udp', port: 53, protocol: 'UDP' },
          { name: 'tcp', port: 53, protocol: 'TCP' },
          { name: 'same', port: 53, protocol: 'TCP' },
          { name: 'sctp', port: 3868, protocol: 'SCTP' },
        ],
      }),
    ];
    const ids = (port: string) => [...desired({ containers, text: { 'service-port': port } }).registrations.keys()];
    expect(ids('udp')).toEqual(['prod.shop.orders-7d4b9c6f5-abcde:orders:53:udp']);
    expect(ids('tcp')).toEqual(['prod.shop.orders-7d4b9c6f5-abcde:orders:53']);
    expect(ids('same')).toEqual(ids('tcp'));
    expectRejected({ containers, text: { 'service-port': 'sctp' } }, 'InvalidPort');
  });

  it.each(['yes', 'TRUE', '0', '', 'True', 'tr ue'])('B16: service-sync %j', (sync) =>
    expectRejected({ text: { 'service-sync': sync } }, 'InvalidAnnotation'),
  );

  it('B17: that flip: each state is decided by itself alone', () => {
    for (let i = 0; i < 10; i++) {
      expect(shown({ text: { 'service-sync': 'false' } })).toEqual([]);
      expect(shown({ text: { 'service-sync': 'true' } })).toEqual(['orders 10.1.0.7:8080']);
    }
  });

  it('B18: that are gone, whenever that was: nothing is wanted any more, and nothing is held', () => {
    const { registrations, held } = desired({ annotations: new Map() });
    expect([registrations.size, held.size]).toEqual([0, 0]);
  });
});

describe('pods', () => {
  it('B19: without an IP, and with another one', () => {
    expect(shown({ podIPs: [] })).toEqual([]);
    expect(shown({ podIPs: ['10.1.0.8'] })).toEqual(['orders 10.1.0.8:8080']);
  });

  it('B20: with two addresses in any order, and with IPv6 only', () => {
    expect(shown({ podIPs: ['fd00::7', '10.1.0.7'] })).toEqual(['orders fd00::7:8080']);
    for (const podIPs of [
      ['fd00::7', '10.1.0.7'],
      ['10.1.0.7', 'fd00::7'],
    ])
      expect(shown({ podIPs, config: { addressFamily: 'IPv4' } })).toEqual(['orders 10.1.0.7:8080']);
    expectRejected({ podIPs: ['fd00::7'], config: { addressFamily: 'IPv4' } }, 'InvalidAddress');
  });

  it('B21: two with one IP are two instances, and with hostNetwork none unless that is allowed', () => {
    const idOf = (name: string) => [...desired({ name }).registrations.keys()][0];
    expect(idOf('a')).not.toBe(idOf('b'));
    expectRejected({ hostNetwork: true }, 'HostNetwork');
  });

  it.each([
    '127.0.0.1',
    '::1',
    '0.0.0.0',
    '::',
    '169.254.169.254',
    'fe80::1',
    '224.0.0.1',
    'ff02::1',
    '10.1.0.7/8',
    'localhost',
  ])('B22: at an address that is no pod’s (%s)', (ip) => expectRejected({ podIPs: [ip] }, 'InvalidAddress'));

  it.each(['Succeeded', 'Failed'])('B23: %s and still Ready', (phase) => {
    expect(shown({ phase, ready: condition() })).toEqual([]);
  });

  it('B24: being deleted and still Ready, and with gates of others', () => {
    expect(shown({ deletionTimestamp: '2026-10-20T10:00:00Z' })).toEqual([]);
    const readinessGates = ['lb/ready'];
    expect(
      shown({
        readinessGates,
        conditions: new Map([['ContainersReady', 'True']]),
        ready: condition({ status: 'False' }),
      }),
    ).toEqual([]);
  });

  it('B24: not Ready, under a Service that publishes such addresses', () => {
    const publishing = {
      service: service({ annotations: annotations({ 'service-name': 'orders' }) }),
      slices: [slice()],
    };
    const { registrations } = desiredRegistrations(owner, toConsulConfig(), {
      pod: pod({ ready: condition({ status: 'False' }) }),
      services: [publishing],
      zone: '',
      nodeAddress: '192.168.1.11',
    });
    expect(registrations.size).toBe(0);
  });

  it('B25: made anew under the same name: the same ID, with another uid in the meta', () => {
    const [[id, { meta }] = ['', { meta: new Map<string, string>() }]] = [...desired({ uid: 'second' }).registrations];
    expect(id).toBe([...desired({ uid: 'first' }).registrations.keys()][0]);
    expect(meta.get('k8s-pod-uid')).toBe('second');
  });

  it('B26: events in a wrong order, twice, or late', () => {
    const view = new WatchedView<Pod>(new Map());
    const at = (resourceVersion: string) => pod({ resourceVersion });
    view.put(at('5'));
    view.put(at('5'));
    view.put(at('4'));
    expect(view.get('shop/orders-7d4b9c6f5-abcde')?.resourceVersion).toBe('5');
    view.delete(at('6'));
    view.delete(at('6'));
    view.put(at('5'));
    expect(view.size).toBe(0);
    expect(view.sawDeletion('uid-of-pod')).toBe(true);
  });

  it('B27: without metadata, without status, with fields that nobody knows', () => {
    expect(() => resources.pods.decode({ spec: {} })).toThrow('expected a name and a uid');
    const bare = resources.pods.decode({ metadata: { name: 'x', uid: 'u', namespace: 'shop' }, future: { deep: [1] } });
    expect(
      desiredRegistrations(owner, toConsulConfig(), { pod: bare, services: [], zone: '', nodeAddress: '192.168.1.11' })
        .registrations.size,
    ).toBe(0);
  });

  it.each(['', 'abc', '18446744073709551617', '-1'])(
    'B28: resourceVersion %j neither throws nor loses the object',
    (resourceVersion) => {
      const view = new WatchedView<Pod>(new Map());
      view.put(pod({ resourceVersion }));
      expect(view.size).toBe(1);
    },
  );

  // B29, ERROR events and bookmarks without a version, is the reflector's: in test/integration/reading.test.ts.

  it('B30: 1 000 containers with 1 000 ports', () => {
    const containers = Array.from({ length: 1000 }, (_, i) =>
      container({ name: `c${i}`, ports: [{ name: `p${i}`, port: i + 1, protocol: 'TCP' as const }] }),
    );
    expect(shown({ containers, text: { 'service-port': 'p999' } })).toEqual(['orders 10.1.0.7:1000']);
  });

  it('B31: 3 000 in one namespace with one name are 3 000 instances', () => {
    const ids = Array.from({ length: 3000 }, (_, i) => [...desired({ name: `pod-${i}` }).registrations.keys()][0]);
    expect(new Set(ids).size).toBe(3000);
  });

  it('B32: with owners that are huge, and a Service of itself', () => {
    const [registration] = desired({ owner: { kind: 'ReplicaSet', name: 'x'.repeat(253) } }).registrations.values();
    expect(registration?.meta.get('k8s-workload')).toBe(`ReplicaSet/${'x'.repeat(253)}`);
    const loop = { service: service({ annotations: annotations({ 'service-name': 'orders' }) }), slices: [slice()] };
    const { registrations } = desiredRegistrations(owner, toConsulConfig(), {
      pod: pod({ annotations: annotations({ 'service-name': 'orders' }) }),
      services: [loop, loop],
      zone: '',
      nodeAddress: '192.168.1.11',
    });
    expect(registrations.size).toBe(1);
  });
});

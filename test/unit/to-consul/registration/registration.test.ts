import { describe, expect, it } from '@jest/globals';
import {
  nodeMeta,
  nodeNameOf,
  registrationId,
  sameCheck,
  sameService,
  validate,
  type Registration,
} from '../../../../src/to-consul/registration/registration.ts';
import { owner, registration, strings } from '../../builders.ts';

const problems = (overrides: Partial<Registration>, userMeta: Readonly<Record<string, string>> = {}) =>
  validate(registration(overrides), strings(userMeta)).map(({ reason, message }) => `${reason} ${message}`);

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `x${i}`);

describe('names', () => {
  it('of nodes separate the cluster from the node', () => {
    expect(nodeNameOf('prod', 'worker-1')).toBe('k8s-prod--worker-1');
  });

  it('of instances tell pod, service, port and protocol', () => {
    const pod = { namespace: 'shop', name: 'orders-1' };
    expect(registrationId('prod', pod, 'orders', 8080, false)).toBe('prod.shop.orders-1:orders:8080');
    expect(registrationId('prod', pod, 'orders', 53, true)).toBe('prod.shop.orders-1:orders:53:udp');
  });

  it('our nodes carry the mark, and say that they have no agent and need no probe', () => {
    expect(nodeMeta(owner)).toEqual({
      'external-source': 'kubernetes',
      'external-node': 'true',
      'external-probe': 'false',
      'managed-by': 'consular',
      'k8s-cluster': 'prod',
      'k8s-cluster-uid': 'uid-of-kube-system',
    });
  });
});

describe('the service name', () => {
  it.each(['a', 'Orders', 'orders.v1_2-x', '1orders', 'consul-ui', 'a'.repeat(63)])('can be %s', (service) => {
    expect(problems({ service })).toEqual([]);
  });

  it.each([
    '',
    '-orders',
    'orders-',
    '.orders',
    'orders_',
    'a'.repeat(64),
    'or ders',
    'orders/x',
    'örders',
    'a\n',
    '\ud800',
  ])('cannot be %j', (service) => {
    expect(problems({ service })).toEqual([
      expect.stringMatching(/^InvalidServiceName service name: expected 1 to 63/),
    ]);
  });

  it.each(['consul', 'Consul', 'consular', 'CONSULAR'])('%s is reserved', (service) => {
    expect(problems({ service })).toEqual([`ReservedName service name "${service}" is reserved`]);
  });
});

describe('the address', () => {
  it.each(['10.1.0.7', 'fd00::7'])('can be %s', (address) => {
    expect(problems({ address })).toEqual([]);
  });

  it.each(['', 'orders.example.com', '10.1.0.256', '10.1.0.7/24', ' 10.1.0.7'])('cannot be %j', (address) => {
    expect(problems({ address })).toEqual([expect.stringMatching(/^InvalidAnnotation pod IP: expected an IP address/)]);
  });
});

describe('the port', () => {
  it.each([1, 65_535])('can be %i', (port) => {
    expect(problems({ port })).toEqual([]);
  });

  it.each([0, -1, 65_536, 80.5, NaN])('cannot be %p', (port) => {
    expect(problems({ port })).toEqual([`InvalidPort port: expected 1 to 65535, found ${port}`]);
  });
});

describe('tags', () => {
  it.each([
    ['none', []],
    ['as many as Consul takes: any number', numbered(5000)],
    ['as long as Consul takes: a rule of Traefik, say', [`traefik.http.routers.a.rule=${'Host(`a`) || '.repeat(50)}`]],
    ['of any script', ['größe=😀', 'a b', '=']],
    ['as large together as a transaction has room for', ['x'.repeat(112 * 1024 - 4)]],
  ])('can be %s', (_, tags) => {
    expect(problems({ tags })).toEqual([]);
  });

  it.each([
    ['one tag', ['x'.repeat(112 * 1024 - 3)], 114_689],
    ['two tags', ['x'.repeat(112 * 1024 - 8), 'yy'], 114_689],
    ['characters of several bytes', ['ü'.repeat(56 * 1024)], 114_692],
    ['characters that JSON escapes', ['"'.repeat(56 * 1024)], 114_692],
  ])('cannot be larger together than a transaction has room for: %s', (_, tags, bytes) => {
    expect(problems({ tags })).toEqual([
      `InvalidAnnotation tags: expected at most 114688 bytes together, as JSON in a transaction of Consul, found ${bytes}`,
    ]);
  });

  it.each([
    ['of two lines', 'a\nb'],
    ['an escape sequence', '\u001b[31m'],
    ['a change of direction', 'a\u202eb'],
  ])('cannot be %s', (_, tag) => {
    expect(problems({ tags: ['fine', tag] })).toEqual([
      expect.stringMatching(/^InvalidAnnotation tag: expected printable characters, found "/),
    ]);
  });
});

describe('meta of the user', () => {
  it.each([
    ['team', 'shop'],
    ['A-b_9', ''],
    ['k'.repeat(128), 'v'.repeat(512)],
    ['two-byte-characters', 'ü'.repeat(256)],
    ['secure', 'true'],
    ['zone', 'eu-1a'],
    ['__proto__', 'data'],
    ['Consul-x', 'x'],
  ])('can be %s', (key, value) => {
    expect(problems({}, { ...Object.fromEntries([[key, value]]) })).toEqual([]);
  });

  it.each([
    ['', 'x', 'expected a key of 1 to 128'],
    ['k'.repeat(129), 'x', 'expected a key of 1 to 128'],
    ['a.b', 'x', 'expected a key of 1 to 128'],
    ['a b', 'x', 'expected a key of 1 to 128'],
    ['é', 'x', 'expected a key of 1 to 128'],
    ['consul-version', 'x', 'belong to Consul'],
    ['k8s-pod-uid', 'x', 'this key is set by Consular'],
    ['managed-by', 'me', 'this key is set by Consular'],
    ['external-source', 'x', 'this key is set by Consular'],
    ['k8s-service', 'x', 'this key is set by Consular'],
    ['team', 'v'.repeat(513), 'expected a value of at most 512 bytes, found 513: "vvv'],
    ['team', 'a\nb', 'printable characters'],
    ['team', '\u2028', 'printable characters'],
  ])('cannot be %j: %j', (key, value, problem) => {
    expect(problems({}, { [key]: value })).toEqual([expect.stringContaining(`InvalidMeta meta "`)]);
    expect(problems({}, { [key]: value })[0]).toContain(problem);
  });

  it('is measured in bytes, as Consul measures it', () => {
    expect(problems({}, { team: 'ü'.repeat(257) })).toEqual([
      expect.stringMatching(/^InvalidMeta meta "team": expected/),
    ]);
    expect(problems({}, { team: '😀'.repeat(129) })).toHaveLength(1);
  });

  it('leaves room for at most 64 entries with our own', () => {
    const meta = (count: number) => new Map(numbered(count).map((key) => [key, 'x']));
    expect(problems({ meta: meta(64) })).toEqual([]);
    expect(problems({ meta: meta(65) })).toEqual([
      "InvalidMeta meta: expected at most 64 entries with Consular's own, found 65",
    ]);
  });
});

it('everything that is wrong is told at once', () => {
  expect(
    problems({ service: '-', address: 'x', port: 0, tags: ['\n', 'x'.repeat(300_000)] }, { 'a.b': 'x' }),
  ).toHaveLength(6);
});

describe('two registrations are the same service', () => {
  it.each<[string, Partial<Registration>, boolean]>([
    ['with nothing changed', {}, true],
    ['whatever the check says', { check: { status: 'critical', notes: '', output: '' } }, true],
    ['with the same tags and meta in other objects', { tags: ['a', 'b'], meta: strings({ b: '2', a: '1' }) }, true],
    ['with another name: no', { service: 'x' }, false],
    ['with another address: no', { address: '10.1.0.8' }, false],
    ['with another port: no', { port: 1 }, false],
    ['with another weight: no', { weight: 2 }, false],
    ['with a second address: no', { taggedAddresses: strings({ lan_ipv6: 'fd00::7' }) }, false],
    ['with tags in another order: no', { tags: ['b', 'a'] }, false],
    ['with a tag less: no', { tags: ['a'] }, false],
    ['with a tag more: no', { tags: ['a', 'b', 'c'] }, false],
    ['with other meta: no', { meta: strings({ a: '1', b: '3' }) }, false],
    ['with a meta entry more: no', { meta: strings({ a: '1', b: '2', c: '' }) }, false],
    ['with another meta key: no', { meta: strings({ a: '1', c: '2' }) }, false],
  ])('%s', (_, overrides, same) => {
    const base = registration({ tags: ['a', 'b'], meta: strings({ a: '1', b: '2' }) });
    const other = { ...base, ...overrides };
    expect([sameService(base, other), sameService(other, base)]).toEqual([same, same]);
  });
});

it('two checks are the same whatever their output: it is written with a transition only', () => {
  const check = registration().check;
  expect(sameCheck(check, { ...check, output: 'another' })).toBe(true);
  expect(sameCheck(check, { ...check, status: 'critical' })).toBe(false);
  expect(sameCheck(check, { ...check, notes: 'another' })).toBe(false);
});

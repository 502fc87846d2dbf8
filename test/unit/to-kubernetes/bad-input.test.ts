import { describe, expect, it } from '@jest/globals';
import { decodeInstances } from '../../../src/consul/catalog.ts';
import { UntrustworthyAnswer } from '../../../src/consul/errors.ts';
import type { ServiceInstance } from '../../../src/consul/types.ts';
import { SERVICE_NAME_LABEL, type Service } from '../../../src/kubernetes/objects.ts';
import { Addresses, type Hosts } from '../../../src/to-kubernetes/addresses/addresses.ts';
import { desiredSlices } from '../../../src/to-kubernetes/objects/slice.ts';
import { Planner } from '../../../src/to-kubernetes/plan/planner.ts';
import { instancesToMirror } from '../../../src/to-kubernetes/requests/selection.ts';
import { labelsOf } from '../../../src/to-kubernetes/objects/workload-labels.ts';
import { answer, row } from '../consul/answers.ts';
import { endpoint, instance, owner, service, slice, strings, toKubernetesConfig } from '../builders.ts';
import { asSlice, mirrored, mirrorOf } from './mirrored.ts';
import { NO_HOSTS, serviceCIDR, views } from './views.ts';

/**
 * What people, and broken or hostile programs, may put into Consul: by number, as the project counts them. The rule for
 * all: an instance is refused alone, with one sentence for whoever can mend it, and so is a service.
 */

const cluster = {
  services: [
    service({ namespace: 'default', name: 'kubernetes', clusterIPs: ['10.96.0.1'], selector: strings() }),
    service({ namespace: 'shop', name: 'redis', clusterIPs: ['10.99.0.7', 'fd00:99::7'] }),
  ],
  slices: [
    slice({
      ...{ namespace: 'default', name: 'kubernetes', labels: strings({ [SERVICE_NAME_LABEL]: 'kubernetes' }) },
      endpoints: [endpoint('192.168.1.10')],
    }),
  ],
  serviceCIDRs: [serviceCIDR('kubernetes', '10.96.0.0/16', 'fd00:96::/112')],
};

const vm = (last: number, overrides: Partial<ServiceInstance> = {}) =>
  instance({ node: `vm-${last}`, id: `billing-${last}`, address: `10.20.0.${last}`, ...overrides });
const bad = (overrides: Partial<ServiceInstance>) => instance({ node: 'vm-2', id: 'bad', ...overrides });
/** Whatever could be a label. */
const ANY_LABEL = { include: ['*'], exclude: [] };
const refusedFor = (reason: string) => [{ instance: 'vm-2/bad', reason: expect.stringContaining(reason) }];

/** What this instance becomes, between two others. */
function among(given: ServiceInstance, hosts: Hosts = NO_HOSTS) {
  const network = new Addresses(views(cluster), toKubernetesConfig(), hosts).network();
  const { mirrored, refused } = mirrorOf([vm(1), given, vm(3)], {}, undefined, network);
  return { endpoints: mirrored.endpoints.map(({ address, port }) => `${address}:${port}`), refused };
}
const NEIGHBOURS = ['10.20.0.1:8080', '10.20.0.3:8080'];
const at = (address: string) => among(bad({ address }));

/** All services of a Consul, planned together: `Service: its endpoints`, and what is wrong. */
function planned(consul: Readonly<Record<string, readonly ServiceInstance[]>>, config = {}, observed: Service[] = []) {
  const settings = toKubernetesConfig({ namespaces: ['shop'], ...config });
  const shown = views({ ...cluster, services: [...cluster.services, ...observed] });
  const byName = new Map(Object.entries(consul).map(([name, instances]) => [name.toLowerCase(), { name, instances }]));
  const catalog = {
    names: () => [...byName.keys()],
    spelling: (name: string) => byName.get(name)?.name ?? name,
    instances: (name: string) => byName.get(name)?.instances,
    isComplete: () => true,
    stays: () => false,
  };
  const planner = new Planner(owner, settings, shown, catalog, NO_HOSTS);
  return planner.keys().flatMap((name) => {
    const whole = planner.plan(name, false);
    planner.note(name, whole);
    return whole.namespaces.map((plan) => {
      const addresses = plan.slices.create.flatMap(({ endpoints }) => endpoints.map(({ address }) => address));
      const wrong = plan.problems.map(({ reason }) => reason);
      const made = plan.service.create.map(({ name }) => `${name}: ${addresses.join()}`);
      return [...made, ...wrong].join(' ');
    });
  });
}

describe('names', () => {
  it('B33: upper case, dots, underscores and spaces become one that Kubernetes takes', () => {
    const names = ['Orders', 'a.b_c', 'with some spaces', '9lives', '../x?dc=y#z', 'toString'];
    expect(planned({ ...Object.fromEntries(names.map((name, i) => [name, [vm(i)]])), plain: [vm(9)] })).toEqual([
      'x-dc-y-z: 10.20.0.4',
      's-9lives: 10.20.0.3',
      'a-b-c: 10.20.0.1',
      'orders: 10.20.0.0',
      'plain: 10.20.0.9',
      'tostring: 10.20.0.5',
      'with-some-spaces: 10.20.0.2',
    ]);
  });

  it('B34: of two that become the same, one gets it, and the other one with a hash, which is reported', () => {
    expect(planned({ 'my.orders': [vm(1)], my_orders: [vm(2)], plain: [vm(3)] })).toEqual([
      'my-orders: 10.20.0.1',
      expect.stringMatching(/^my-orders-[0-9a-f]{8}: 10\.20\.0\.2 NameCollision$/),
      'plain: 10.20.0.3',
    ]);
  });

  it.each([
    ['kubernetes', 'default'],
    ['kube-dns', 'kube-system'],
    ['redis', 'shop'],
  ])('B35: %s, which somebody has in %s, is left alone and reported', (name, namespace) => {
    const dns = service({ namespace: 'kube-system', name: 'kube-dns' });
    expect(planned({ [name]: [vm(1)], plain: [vm(2)] }, { namespaces: [namespace] }, [dns]).sort()).toEqual([
      'NameConflict',
      'plain: 10.20.0.2',
    ]);
  });

  it('B36: too long ones get a hash, and stay apart when they begin alike', () => {
    const long = 'a'.repeat(100);
    const hashed = (last: number) => expect.stringMatching(new RegExp(`^a{54}-[0-9a-f]{8}: 10\\.20\\.0\\.${last}$`));
    const made = planned({ [`${long}1`]: [vm(1)], [`${long}2`]: [vm(2)], ['a'.repeat(63)]: [vm(3)] });
    expect(made).toEqual([`${'a'.repeat(63)}: 10.20.0.3`, hashed(1), hashed(2)]);
    expect(new Set(made.map((line) => line.split(':')[0])).size).toBe(3);
  });
});

describe('addresses', () => {
  it.each<[string, string, readonly string[]]>([
    ['B37', 'loopback', ['127.0.0.1', '127.8.9.1', '::1']],
    ['B37', '0.0.0.0/8 (this network)', ['0.0.0.0', '0.1.2.3']],
    ['B37', 'unspecified', ['::']],
    ['B38', 'link-local', ['169.254.169.254', 'fe80::1']],
    ['B38', 'credentials', ['fd00:ec2::254', '100.100.100.200', '168.63.129.16']],
    ['B39', 'API server', ['192.168.1.10', '::ffff:192.168.1.10']],
    ['B39', 'gives to Services', ['10.96.0.1', '10.96.7.7', 'fd00:96::7', '10.99.0.7', 'FD00:99::7']],
    ['B40', 'loopback', ['::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::127.0.0.1']],
    ['B40', 'IPv4-compatible', ['::127.0.0.1']],
    ['B40', 'neither an IP address nor a host name', ['0x7f.1', '017700000001', '2130706433', '127.1', '127.0.0.01']],
    ['B40', 'zone', ['fe80::1%eth0', 'fd00::1%1']],
    ['B41', 'multicast', ['224.0.0.1', '239.255.255.255', 'ff02::1']],
    ['B41', 'broadcast', ['255.255.255.255']],
    ['B42', 'neither an IP address nor a host name', ['vm 1', 'http://vm-1/', 'vm-1:80', 'x'.repeat(300), 'vm-1\n']],
    ['B42', 'cannot be resolved', ['vm-1.example.com']],
  ])('%s: refused (%s), and the neighbours are endpoints: %j', (_, reason, addresses) => {
    for (const address of addresses)
      expect(at(address)).toEqual({ endpoints: NEIGHBOURS, refused: refusedFor(reason) });
  });

  it.each([
    ['B39', 'of a pod that registered itself', '10.244.1.7'],
    ['B39', 'of a node', '192.168.1.11'],
    ['B41', 'for documentation, which leads nowhere and harms nobody', '203.0.113.7'],
  ])('%s: one %s is an endpoint like its neighbours', (_, __, address) => {
    expect(at(address)).toEqual({ endpoints: expect.arrayContaining([...NEIGHBOURS, `${address}:8080`]), refused: [] });
  });

  it('B42: an empty one is that of its node, and a host name the one that DNS says', () => {
    expect(among(bad({ address: '', nodeAddress: '10.20.0.2' })).endpoints).toHaveLength(3);
    expect(among(bad({ address: '', nodeAddress: '127.0.0.1' }))).toEqual({
      ...{ endpoints: NEIGHBOURS, refused: refusedFor('loopback') },
    });
    const hosts = { known: () => ({ addresses: ['10.20.0.2'], failure: '' }) };
    expect(among(bad({ address: 'vm-2' }), hosts).endpoints).toContain('10.20.0.2:8080');
  });

  it.each([0, -1, 65_536, 1e9, 80.5])('B43: port %p is refused, and the neighbours are endpoints', (port) => {
    expect(among(bad({ port }))).toEqual({ endpoints: NEIGHBOURS, refused: refusedFor(`its port is ${port}`) });
  });

  it('B43: one address and port twice is one endpoint', () => {
    expect(among(vm(1, { node: 'ghost' }))).toEqual({ endpoints: NEIGHBOURS, refused: [] });
  });
});

describe('numbers', () => {
  it('B44: 10 000 instances are slices of 100, of which one is written when one goes', () => {
    const many = Array.from({ length: 10_000 }, (_, i) =>
      instance({ id: String(i), address: `10.20.${i >> 8}.${i & 255}` }),
    );
    const all = mirrorOf(many).mirrored;
    const slices = desiredSlices('billing', all, []);
    expect(slices.map(({ endpoints }) => endpoints.length)).toEqual(Array<number>(100).fill(100));
    const observed = slices.map(({ name, endpoints }) =>
      asSlice(
        mirrored({ endpoints: all.endpoints.filter(({ address }) => endpoints.some((e) => e.address === address)) }),
        name,
      ),
    );
    const less = desiredSlices('billing', mirrorOf(many.slice(1)).mirrored, observed);
    expect(less.filter(({ endpoints }) => endpoints.length !== 100)).toHaveLength(1);
  });

  it('B44: of 10 000 services as many as the settings allow are mirrored', () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`s${i}`, [vm(i & 255)]]));
    expect(planned(many, { maxServices: 70 })).toHaveLength(70);
  });
});

/** What these rows of an answer become, beside a good one. */
function decoded(given: object) {
  const instances = decodeInstances(
    answer([
      { ...row, ...given },
      { ...row, Service: { ...row.Service, ID: 'good', Address: '10.20.0.3' } },
    ]),
    'orders',
  );
  const { mirrored, refused } = mirrorOf(instances);
  return { endpoints: mirrored.endpoints.map(({ address }) => address), refused, instances };
}
const BOTH = ['10.20.0.3', '10.20.0.9'];

describe('what an instance says', () => {
  const nested = JSON.parse('['.repeat(10_000) + ']'.repeat(10_000)) as unknown;

  it.each([null, 7, 'x', ['a', 1, null], { a: 1, b: null, c: {} }, nested])(
    'B45: tags and meta of any type are empty there, or what can be read of them',
    (value) => {
      const given = { Service: { ...row.Service, Tags: value, Meta: value, Weights: value } };
      expect(decoded(given)).toMatchObject({ endpoints: BOTH, refused: [], instances: [{ weight: 1 }, {}] });
    },
  );

  it.each(['unknown', '', 'PASSING', null])(
    'B46: with a status that nobody knows (%j) it gets no traffic',
    (Status) => {
      expect(decoded({ Checks: [{ Status }] })).toMatchObject({ endpoints: ['10.20.0.3'], refused: [] });
    },
  );

  it('B46: 100 checks, with 4 MB of output, are read for their status alone', () => {
    const Checks = Array.from({ length: 100 }, () => ({ Status: 'passing', Output: 'x'.repeat(40_000) }));
    expect(decoded({ Checks }).endpoints).toEqual(BOTH);
    expect(JSON.stringify(decoded({ Checks }).instances)).not.toContain('xx');
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('B47: meta %s is text like any other', (key) => {
    const before = Object.getOwnPropertyNames(Object.prototype);
    const Meta = JSON.parse(`{"${key}": "x", "zone": "eu-1a"}`) as object;
    const { endpoints, instances } = decoded({ Service: { ...row.Service, Meta, Tags: [`${key}=y`] } });
    expect(endpoints).toEqual(BOTH);
    expect(instances[0]?.meta).toEqual(
      new Map([
        [key, 'x'],
        ['zone', 'eu-1a'],
      ]),
    );
    const labels = Object.fromEntries(labelsOf(instances[0] ?? instance(), ANY_LABEL));
    expect(Object.getPrototypeOf(labels)).toBe(Object.prototype);
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    expect('zone' in {}).toBe(false);
  });

  it('B48: what is too long or wrong for a label is left out, and never cut', () => {
    const [fits, long] = ['x'.repeat(63), 'x'.repeat(64)];
    const told = strings({ fits, long, [long]: 'a', 'a b': 'a', broken: 'a b', zone: long, protocol: long });
    expect([...labelsOf(instance({ meta: told }), ANY_LABEL)]).toEqual([['fits', fits]]);
    const { mirrored } = mirrorOf([vm(1), bad({ address: '10.20.0.2', meta: told })]);
    expect(mirrored).toMatchObject({ ports: [{ appProtocol: '' }], endpoints: [{ zone: '' }, { zone: '' }] });
  });
});

describe('marks', () => {
  const marks = (name = owner.cluster) => strings({ 'managed-by': 'consular', 'k8s-cluster': name });
  const shown = (given: Partial<ServiceInstance>, otherClusters = false) =>
    instancesToMirror([vm(1), bad({ address: '10.20.0.2', ...given }), vm(3)], owner.cluster, {
      ...toKubernetesConfig(),
      otherClusters,
    }).map(({ id }) => id);

  it.each<[string, Partial<ServiceInstance>]>([
    ['B49: what we registered ourselves', { node: 'k8s-prod--worker-1', meta: marks() }],
    [
      'B49: what the catalog sync of consul-k8s registered from a mirrored Service',
      { tags: ['k8s'], meta: strings({ 'external-source': 'kubernetes' }) },
    ],
    ['B50: what the Consular of another cluster registered', { meta: marks('other') }],
    ['B51: what says that it is ours and is not', { meta: marks() }],
  ])('%s is not mirrored back, and its neighbours are', (_, given) => {
    expect(shown(given)).toEqual(['billing-1', 'billing-3']);
  });

  it('B50: with otherClusters that of another cluster is mirrored, and B51: a forged one of ours still is not', () => {
    expect(shown({ meta: marks('other') }, true)).toEqual(['billing-1', 'bad', 'billing-3']);
    expect(shown({ meta: marks() }, true)).toEqual(['billing-1', 'billing-3']);
  });
});

describe('answers', () => {
  it('B53: numbers that are none cost the instance alone', () => {
    const Service = JSON.parse(JSON.stringify(row.Service).replace('8080', '1e400')) as object;
    expect(decoded({ Service })).toMatchObject({ endpoints: ['10.20.0.3'], refused: [{ reason: 'its port is 0' }] });
  });

  it('B56: about another service it is not believed, and in another spelling it is', () => {
    expect(() => decodeInstances(answer([row]), 'billing')).toThrow(UntrustworthyAnswer);
    expect(() => decodeInstances(answer([row]), 'billing')).toThrow('found one about another service');
    expect(decodeInstances(answer([row]), 'ORDERS')).toHaveLength(1);
  });
});

import { describe, expect, it } from '@jest/globals';
import type { Container, Pod } from '../../../../src/kubernetes/objects.ts';
import {
  desiredRegistrations,
  mayHaveRegistrations,
  type DesiredConfig,
} from '../../../../src/to-consul/desired/desired-registrations.ts';
import { isAddressOf } from '../../../../src/to-consul/desired/pod-addresses.ts';
import { askedByService, type AnnotatedService } from '../../../../src/to-consul/requests/requests.ts';
import {
  PREFIX,
  annotations,
  condition,
  container,
  marked,
  owner,
  pod,
  service,
  strings,
  toConsulConfig,
} from '../../builders.ts';
import type { Rejection } from '../../../../src/to-consul/registration/rejection.ts';

interface World extends Partial<Pod> {
  readonly services?: readonly AnnotatedService[];
  readonly zone?: string;
  readonly nodeAddress?: string;
  readonly config?: Partial<DesiredConfig>;
}

const NAMED = annotations({ 'service-name': 'orders' });

function desired({ services = [], zone = '', nodeAddress = '192.168.1.11', config = {}, ...overrides }: World = {}) {
  const { registrations, unready, rejections, held } = desiredRegistrations(owner, toConsulConfig(config), {
    pod: pod({ annotations: NAMED, ...overrides }),
    services,
    zone,
    nodeAddress,
  });
  return {
    registrations: [...registrations.values()],
    unready: [...unready.values()],
    ids: [...registrations.keys()],
    rejections,
    hold: held.size > 0,
  };
}

const reasons = (rejections: readonly Rejection[]) => rejections.map(({ reason }) => reason);
const NOT_READY = condition({ status: 'False', reason: 'ContainersNotReady', message: 'unready: [app]' });

/** The decision table in the comment of desiredRegistrations, row by row. */
describe('a pod with a service name', () => {
  it.each<[string, World, string[]]>([
    ['in a namespace that is not selected', { namespace: 'kube-system' }, []],
    ['switched off', { annotations: annotations({ 'service-name': 'orders', 'service-sync': 'false' }) }, []],
    ['being deleted, Ready or not', { deletionTimestamp: '2026-10-20T10:00:00Z' }, []],
    ['Succeeded', { phase: 'Succeeded' }, []],
    ['Failed', { phase: 'Failed' }, []],
    ['without an IP', { podIPs: [] }, []],
    ['without a node', { nodeName: '' }, []],
    ['on a node whose address nobody knows', { nodeAddress: '' }, []],
    ['Ready', {}, ['passing']],
    ['Ready, whatever not-ready says', { config: { notReady: 'critical' } }, ['passing']],
    ['Ready while its phase is Pending or unknown', { phase: 'Pending' }, ['passing']],
    ['not Ready, deregister', { ready: NOT_READY }, []],
    ['not Ready, critical', { ready: NOT_READY, config: { notReady: 'critical' } }, ['critical']],
    [
      'not Ready, critical by annotation',
      { ready: NOT_READY, annotations: annotations({ 'service-name': 'orders', 'not-ready': 'critical' }) },
      ['critical'],
    ],
    [
      'not Ready, deregister by annotation',
      {
        ready: NOT_READY,
        annotations: annotations({ 'service-name': 'orders', 'not-ready': 'deregister' }),
        config: { notReady: 'critical' },
      },
      [],
    ],
    ['without a Ready condition, deregister', { ready: undefined }, []],
    ['without a Ready condition, critical', { ready: undefined, config: { notReady: 'critical' } }, ['critical']],
    ['of which nobody knows whether it is Ready', { ready: condition({ status: 'Unknown' }) }, []],
  ])('%s', (_, world, statuses) => {
    const { registrations, rejections, hold } = desired(world);
    expect(registrations.map(({ check }) => check.status)).toEqual(statuses);
    expect([rejections, hold]).toEqual([[], false]);
  });

  it.each<[string, World, string[]]>([
    ['not Ready, deregister', { ready: NOT_READY }, ['orders critical Pod is not Ready since']],
    ['not Ready, critical', { ready: NOT_READY, config: { notReady: 'critical' } }, []],
    ['Ready', {}, []],
    ['being deleted', { ready: NOT_READY, deletionTimestamp: '2026-10-20T10:00:00Z' }, []],
    [
      'not Ready, with a value that cannot be read',
      { ready: NOT_READY, annotations: annotations({ 'service-name': 'orders', 'service-weight': 'x' }) },
      [],
    ],
  ])('%s: what it would have is known, if it is for its readiness only that it has not', (_, world, expected) => {
    const { unready } = desired(world);
    expect(unready.map(({ service, check }) => `${service} ${check.status} ${check.output.slice(0, 22)}`)).toEqual(
      expected,
    );
  });

  const BROKEN: [string, World, Rejection['reason']][] = [
    [
      'a value that cannot be read',
      { annotations: annotations({ 'service-name': 'orders', 'service-weight': 'x' }) },
      'InvalidAnnotation',
    ],
    [
      'an unknown annotation',
      { annotations: annotations({ 'service-name': 'orders', 'service-nam': 'x' }) },
      'InvalidAnnotation',
    ],
    ['a name that Consul would refuse', { annotations: annotations({ 'service-name': '-' }) }, 'InvalidServiceName'],
    ['an empty name', { annotations: annotations({ 'service-name': '' }) }, 'InvalidServiceName'],
    ['a reserved name', { annotations: annotations({ 'service-name': 'consul' }) }, 'ReservedName'],
    [
      'a port that it does not have',
      { annotations: annotations({ 'service-name': 'orders', 'service-port': 'grpc' }) },
      'InvalidPort',
    ],
    [
      'a port beyond the last',
      { annotations: annotations({ 'service-name': 'orders', 'service-port': '65536' }) },
      'InvalidPort',
    ],
    ['no port at all', { containers: [] }, 'InvalidPort'],
    [
      'UDP ports only',
      { containers: [container({ ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] })] },
      'InvalidPort',
    ],
    [
      'meta that is ours',
      { annotations: annotations({ 'service-name': 'orders', 'service-meta-k8s-pod': 'x' }) },
      'InvalidMeta',
    ],
    ['no network of its own', { hostNetwork: true }, 'HostNetwork'],
    ['no address of the family', { config: { addressFamily: 'IPv6' } }, 'InvalidAddress'],
    ['a loopback address', { podIPs: ['127.0.0.1'] }, 'InvalidAddress'],
    ['a link-local address', { podIPs: ['169.254.169.254'] }, 'InvalidAddress'],
    ['an address that is none', { podIPs: ['pod-7'] }, 'InvalidAddress'],
    [
      'an SCTP port',
      {
        containers: [container({ ports: [{ name: 's', port: 9, protocol: 'SCTP' }] })],
        annotations: annotations({ 'service-name': 'orders', 'service-port': 's' }),
      },
      'InvalidPort',
    ],
  ];

  it.each(BROKEN)('and %s: what is there stays, and somebody is told', (_, input, reason) => {
    const { registrations, rejections, hold } = desired(input);
    expect([registrations, reasons(rejections), hold]).toEqual([[], [reason], true]);
  });

  it.each(BROKEN)('not Ready, and %s: nothing, and somebody is told', (_, input, reason) => {
    for (const notReady of ['deregister', 'critical'] as const) {
      const { registrations, rejections, hold } = desired({
        ready: NOT_READY,
        ...input,
        config: { notReady, ...input.config },
      });
      expect([registrations, reasons(rejections), hold]).toEqual([[], [reason], false]);
    }
  });

  it.each(BROKEN)('being deleted, and %s: nothing', (_, input) => {
    expect(desired({ ...input, deletionTimestamp: 'now' })).toMatchObject({ ids: [], rejections: [], hold: false });
  });
});

it('a pod that nobody named is nothing, but somebody is told of what is wrong with it', () => {
  const { registrations, rejections } = desired({ annotations: annotations({ 'service-weight': 'x' }) });
  expect([registrations, reasons(rejections)]).toEqual([[], ['InvalidAnnotation']]);
});

describe('the registration of a pod', () => {
  it('tells everything about it', () => {
    const text = { 'service-name': 'orders', 'service-tags': 'v1', 'service-weight': '3', 'service-meta-team': 'shop' };
    expect(desired({ annotations: annotations(text), zone: 'eu-1a' }).registrations).toEqual([
      {
        node: { name: 'k8s-prod--worker-1', address: '192.168.1.11' },
        id: 'prod.shop.orders-7d4b9c6f5-abcde:orders:8080',
        service: 'orders',
        address: '10.1.0.7',
        port: 8080,
        taggedAddresses: strings(),
        tags: ['v1'],
        weight: 3,
        meta: strings({
          secure: 'false',
          zone: 'eu-1a',
          team: 'shop',
          'external-source': 'kubernetes',
          'managed-by': 'consular',
          'k8s-cluster': 'prod',
          'k8s-namespace': 'shop',
          'k8s-pod': 'orders-7d4b9c6f5-abcde',
          'k8s-pod-uid': 'uid-of-pod',
          'k8s-node': 'worker-1',
          'k8s-workload': 'Deployment/orders',
        }),
        check: {
          status: 'passing',
          notes:
            'Pod shop/orders-7d4b9c6f5-abcde (uid uid-of-pod) on node worker-1; registered by Consular because of annotations of the pod',
          output: 'Pod is Ready since 2026-10-20T10:00:00Z',
        },
      },
    ]);
  });

  it('lets its team say secure and zone', () => {
    const text = { 'service-name': 'orders', 'service-meta-secure': 'true', 'service-meta-zone': 'here' };
    const [registration] = desired({ annotations: annotations(text), zone: 'eu-1a' }).registrations;
    expect([registration?.meta.get('secure'), registration?.meta.get('zone')]).toEqual(['true', 'here']);
  });

  it('says in one line why it is critical', () => {
    const ready = { ...NOT_READY, message: `a\nb\t ${'x'.repeat(5000)}` };
    const [registration] = desired({ ready, config: { notReady: 'critical' } }).registrations;
    expect(registration?.check.output).toMatch(
      /^Pod is not Ready since 2026-10-20T10:00:00Z: ContainersNotReady: a b x+$/,
    );
    expect(registration?.check.output).toHaveLength(1024);
  });

  it.each([
    [undefined, 'Pod is not Ready: no Ready condition yet'],
    [condition({ status: 'False', lastTransitionTime: '' }), 'Pod is not Ready: its condition Ready is False'],
    [condition({ status: 'False', lastTransitionTime: '', reason: 'Gate' }), 'Pod is not Ready: Gate'],
  ])('says as much as is known (%j)', (ready, output) => {
    const [registration] = desired({ ready, config: { notReady: 'critical' } }).registrations;
    expect(registration?.check.output).toBe(output);
  });

  const ports: Container['ports'] = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'http', port: 8080, protocol: 'TCP' },
    { name: '8443', port: 9443, protocol: 'TCP' },
  ];
  it.each([
    [undefined, ':8080'],
    ['http', ':8080'],
    ['dns', ':53:udp'],
    ['53', ':53:udp'],
    ['9443', ':9443'],
    ['7000', ':7000'],
  ])('has the port of service-port %j', (port, suffix) => {
    const text = { 'service-name': 'orders', ...(port === undefined ? {} : { 'service-port': port }) };
    expect(desired({ containers: [container({ ports })], annotations: annotations(text) }).ids).toEqual([
      `prod.shop.orders-7d4b9c6f5-abcde:orders${suffix}`,
    ]);
  });

  it.each([
    ['pod', ['fd00::7', '10.1.0.7'], 'fd00::7'],
    ['pod', ['10.1.0.7', 'fd00::7'], '10.1.0.7'],
    ['IPv4', ['fd00::7', '10.1.0.7'], '10.1.0.7'],
    ['IPv6', ['10.1.0.7', 'fd00::7'], 'fd00::7'],
    ['IPv6', ['10.1.0.7', 'FD00:0::7'], 'fd00::7'],
  ] as const)('has the %s address of a pod with %j', (addressFamily, podIPs, address) => {
    const { registrations } = desired({ podIPs, config: { addressFamily } });
    expect(registrations.map((registration) => registration.address)).toEqual([address]);
  });

  it.each<[string, string[], Record<string, string>]>([
    ['both families', ['10.1.0.7', 'FD00:0::7'], { lan_ipv4: '10.1.0.7', lan_ipv6: 'fd00::7' }],
    ['both, IPv6 first', ['fd00::7', '10.1.0.7'], { lan_ipv4: '10.1.0.7', lan_ipv6: 'fd00::7' }],
    ['one family', ['10.1.0.7'], {}],
    ['one family twice', ['10.1.0.7', '10.1.0.8'], {}],
    ['a second address that nobody can call', ['10.1.0.7', 'fe80::7'], {}],
  ])('tells both addresses to the DNS of Consul of a pod with %s', (_, podIPs, tagged) => {
    for (const addressFamily of ['pod', 'IPv4'] as const) {
      const { registrations } = desired({ podIPs, config: { addressFamily } });
      expect(registrations.map(({ taggedAddresses }) => Object.fromEntries(taggedAddresses))).toEqual([tagged]);
    }
  });

  it('has the address of its node with hostNetwork, when that is switched on', () => {
    const { registrations } = desired({ hostNetwork: true, podIPs: ['192.168.1.11'], config: { hostNetwork: true } });
    expect(registrations.map(({ address }) => address)).toEqual(['192.168.1.11']);
  });
});

it.each([
  ['its IP', '10.1.0.7', {}, true],
  ['its second IP', 'fd00::7', {}, true],
  ['the same IP in another notation', 'FD00:0::7', {}, true],
  ['an IP that it had before', '10.1.0.6', {}, false],
  ['no address', '', {}, false],
  ['the IP of its node', '192.168.1.11', {}, false],
  ['the IP of its node, which it shares', '192.168.1.11', { hostNetwork: true }, true],
])('who calls %s comes to the pod: %s', (_, address, overrides, isIts) => {
  expect(isAddressOf(pod({ podIPs: ['10.1.0.7', 'fd00::7'], ...overrides }), address)).toBe(isIts);
});

describe('a pod that a Service may still ask for', () => {
  it.each<[string, Partial<Pod>, boolean]>([
    ['is as any other', {}, true],
    ['is not Ready', { ready: undefined }, true],
    ['is switched off', { annotations: annotations({ 'service-sync': 'false' }) }, false],
    ['has no IP yet', { podIPs: [] }, false],
    ['is on no node yet', { nodeName: '' }, false],
    ['is being deleted', { deletionTimestamp: '2026-10-20T10:00:00Z' }, false],
    ['has ended', { phase: 'Succeeded' }, false],
    ['has failed', { phase: 'Failed' }, false],
    ['is in a namespace that is not selected', { namespace: 'kube-system' }, false],
  ])('%s', (_, overrides, may) => {
    const config = toConsulConfig({ namespaces: { include: ['*'], exclude: ['kube-system'] } });
    expect(mayHaveRegistrations(pod(overrides), config)).toBe(may);
  });
});

describe('askedByService', () => {
  it.each([
    ['no annotations', {}, undefined],
    ['a name', { 'service-name': 'shop-orders' }, 'shop-orders'],
    ['sync', { 'service-sync': 'true' }, 'orders'],
    ['sync and a name', { 'service-sync': 'true', 'service-name': 'x' }, 'x'],
    ['a name, switched off', { 'service-sync': 'false', 'service-name': 'x' }, undefined],
    ['tags only', { 'service-tags': 'v1' }, undefined],
  ])('a Service with %s', (_, text, name) => {
    expect(askedByService(service({ annotations: annotations(text) }), PREFIX)?.settings.serviceName).toBe(name);
  });

  it("is none for what carries Consular's marks, of any cluster", () => {
    for (const labels of [marked(), marked('test')])
      expect(askedByService(service({ labels, annotations: NAMED }), PREFIX)).toBeUndefined();
  });
});

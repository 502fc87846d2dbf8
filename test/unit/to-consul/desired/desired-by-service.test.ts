import { describe, expect, it } from '@jest/globals';
import type { EndpointSlice, Pod, Service } from '../../../../src/kubernetes/objects.ts';
import { desiredRegistrations } from '../../../../src/to-consul/desired/desired-registrations.ts';
import type { AnnotatedService } from '../../../../src/to-consul/requests/requests.ts';
import type { Registration } from '../../../../src/to-consul/registration/registration.ts';
import {
  annotations,
  container,
  endpointPort,
  owner,
  pod,
  service,
  servicePort,
  slice,
  toConsulConfig,
} from '../../builders.ts';

/** Pods that are registered because an annotated Service targets them. */

/** A Service with these annotations, whose slices target the pod. */
function source(
  text: Readonly<Record<string, string>>,
  overrides: Partial<Service> = {},
  ...slices: EndpointSlice[]
): AnnotatedService {
  return {
    service: service({ annotations: annotations(text), ...overrides }),
    slices: slices.length > 0 ? slices : [slice()],
  };
}

function desired(services: readonly AnnotatedService[], overrides: Partial<Pod> = {}) {
  const { registrations, rejections, ofServices, held, unclear } = desiredRegistrations(owner, toConsulConfig(), {
    pod: pod(overrides),
    services,
    zone: '',
    nodeAddress: '192.168.1.11',
  });
  return {
    registrations: [...registrations.values()],
    rejections,
    wrong: ofServices
      .filter(({ kind }) => kind === 'wrong')
      .map(({ service, rejection: { reason, message } }) => `${service} ${reason}: ${message}`),
    hold: held.size > 0,
    unclear: [...unclear],
  };
}

const shown = (registrations: readonly Registration[]) =>
  registrations.map(({ service, port, meta }) => `${service}:${port} ${meta.get('k8s-service') ?? '-'}`).sort();

const ORDERS = { 'service-name': 'orders' };

describe('a pod under annotated Services', () => {
  it('is registered under the name and port of each of them', () => {
    const grpc = source(
      { 'service-sync': 'true' },
      { name: 'orders-grpc', ports: [servicePort({ name: 'grpc', port: 90 })] },
      slice({ ports: [endpointPort({ name: 'grpc', port: 9090 })] }),
    );
    const { registrations } = desired([source(ORDERS), grpc]);
    expect(shown(registrations)).toEqual(['orders-grpc:9090 orders-grpc', 'orders:8080 orders']);
    expect(registrations.map(({ check }) => check.notes.replace(/^.*because/, 'because')).sort()).toEqual([
      'because of annotations of Service shop/orders',
      'because of annotations of Service shop/orders-grpc',
    ]);
  });

  it('and under its own name, which is another registration', () => {
    const { registrations } = desired([source(ORDERS)], { annotations: annotations({ 'service-name': 'own' }) });
    expect(shown(registrations)).toEqual(['orders:8080 orders', 'own:8080 -']);
  });

  it('and under the same name and port by itself, is registered once, by itself', () => {
    const { registrations } = desired([source(ORDERS)], { annotations: annotations(ORDERS) });
    expect(shown(registrations)).toEqual(['orders:8080 -']);
  });

  it('has its own readiness and not that of the slices', () => {
    const ready = { ...pod().ready, status: 'False' } as Pod['ready'];
    expect(desired([source(ORDERS)], { ready }).registrations).toEqual([]);
  });

  it('switched off, is nothing', () => {
    expect(desired([source(ORDERS)], { annotations: annotations({ 'service-sync': 'false' }) }).registrations).toEqual(
      [],
    );
  });

  it('that ask for one and the same registration, is the same whichever is looked at first', () => {
    const sources = ['orders', 'orders-headless', 'an-orders'].map((name) =>
      source({ ...ORDERS, 'service-tags': name }, { name }),
    );
    const [first, ...others] = [sources, [...sources].reverse(), [...sources.slice(1), ...sources.slice(0, 1)]].map(
      (order) => desired(order).registrations,
    );
    expect(first).toHaveLength(1);
    for (const other of others) expect(other).toEqual(first);
  });

  it('that are not annotated, is nothing', () => {
    expect(desired([source({})])).toEqual({
      ...{ registrations: [], rejections: [], wrong: [], hold: false, unclear: [] },
    });
  });
});

describe("the pod's annotations", () => {
  it("win over the Service's, key by key, except for name and port", () => {
    const wide = {
      ...ORDERS,
      'service-tags': 'service',
      'service-weight': '2',
      'service-meta-a': 'service',
      'service-meta-b': 'service',
    };
    const own = { 'service-tags': 'pod', 'service-meta-a': 'pod', 'service-port': '1234' };
    const [registration] = desired([source(wide)], { annotations: annotations(own) }).registrations;
    expect(registration).toMatchObject({ service: 'orders', port: 8080, tags: ['pod'], weight: 2 });
    expect([registration?.meta.get('a'), registration?.meta.get('b')]).toEqual(['pod', 'service']);
  });

  it('decide what becomes of it when it is not Ready', () => {
    const ready = { ...pod().ready, status: 'False' } as Pod['ready'];
    const world = { ready, annotations: annotations({ 'not-ready': 'critical' }) };
    expect(desired([source({ ...ORDERS, 'not-ready': 'deregister' })], world).registrations).toHaveLength(1);
    expect(desired([source({ ...ORDERS, 'not-ready': 'critical' })], { ready }).registrations).toHaveLength(1);
  });

  it('reject it when they are broken, once', () => {
    const broken = annotations({ 'service-weight': 'x' });
    expect(desired([source(ORDERS)], { annotations: broken })).toMatchObject({ registrations: [], hold: true });
    const named = annotations({ 'service-weight': 'x', 'service-name': 'own' });
    expect(desired([source(ORDERS)], { annotations: named }).rejections).toHaveLength(1);
  });
});

describe('the port of an annotated Service', () => {
  const ports = [
    servicePort({ name: 'dns', port: 53, protocol: 'UDP' }),
    servicePort(),
    servicePort({ name: 'grpc', port: 90 }),
  ];
  const slices = slice({
    ports: [
      endpointPort({ name: 'dns', port: 5353, protocol: 'UDP' }),
      endpointPort(),
      endpointPort({ name: 'grpc', port: 9090 }),
    ],
  });

  it.each([
    [{}, ['orders:8080 orders']],
    [{ 'service-port': 'grpc' }, ['orders:9090 orders']],
    [{ 'service-port': '90' }, ['orders:9090 orders']],
    [{ 'service-port': 'dns' }, ['orders:5353 orders']],
  ])('%j', (text, expected) => {
    expect(shown(desired([source({ ...ORDERS, ...text }, { ports }, slices)]).registrations)).toEqual(expected);
  });

  it.each([
    ['a name that it does not have', { 'service-port': 'admin' }, ports],
    ['a number that it does not have', { 'service-port': '8080' }, ports],
    ['no TCP port', {}, [servicePort({ protocol: 'UDP' })]],
    ['no port', {}, []],
  ])('with %s is rejected', (_, text, ports) => {
    const { registrations, rejections, wrong, hold, unclear } = desired([
      source({ ...ORDERS, ...text }, { ports }, slices),
    ]);
    expect([registrations, rejections, hold, unclear]).toEqual([[], [], true, []]);
    expect(wrong).toEqual([expect.stringMatching(/^shop\/orders InvalidPort: Service shop\/orders: /)]);
  });

  it('is not there yet while the slices are not: what is there stays, and nothing is wrong', () => {
    const late = slice({ ports: [] });
    expect(desired([source(ORDERS, {}, late)])).toEqual({
      registrations: [],
      rejections: [],
      wrong: [],
      hold: true,
      unclear: ['orders'],
    });
  });

  it('is that of the only family that the Service has', () => {
    const only = slice({ addressType: 'IPv6', ports: [endpointPort({ port: 6 })] });
    expect(shown(desired([source(ORDERS, {}, only)]).registrations)).toEqual(['orders:6 orders']);
  });

  it("is that of the slice of the pod's own address family", () => {
    const two = [
      slice({ ports: [endpointPort({ port: 4 })] }),
      slice({ addressType: 'IPv6', ports: [endpointPort({ port: 6 })] }),
    ];
    expect(shown(desired([source(ORDERS, {}, ...two)]).registrations)).toEqual(['orders:4 orders']);
    expect(shown(desired([source(ORDERS, {}, ...two)], { podIPs: ['fd00::7'] }).registrations)).toEqual([
      'orders:6 orders',
    ]);
  });
});

describe('Services that ask for one instance', () => {
  const two = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>) =>
    desiredRegistrations(owner, toConsulConfig(), {
      ...{ pod: pod(), zone: '', nodeAddress: '192.168.1.11' },
      services: [source({ ...ORDERS, ...b }, { name: 'ord-b' }), source({ ...ORDERS, ...a }, { name: 'ord-a' })],
    });

  it('have the tags and the meta of both on it', () => {
    const { registrations, ofServices } = two(
      { 'service-tags': 'a', 'service-meta-team': 'one' },
      { 'service-tags': 'b', 'service-meta-lane': 'blue' },
    );
    const [only, ...others] = registrations.values();
    expect([only?.tags, only?.meta.get('team'), only?.meta.get('lane'), only?.meta.get('k8s-service')]).toEqual([
      ['b', 'a'],
      'one',
      'blue',
      'ord-a',
    ]);
    expect([others, ofServices]).toEqual([[], []]);
  });

  it('cost each other nothing when what one wants is refused', () => {
    const { registrations, rejections, ofServices, held } = two(
      { 'service-tags': 'a' },
      { 'service-meta-no.dots': 'x' },
    );
    expect([...registrations.values()].map(({ tags }) => tags)).toEqual([['a']]);
    expect([rejections, [...held]]).toEqual([[], ['ord-b']]);
    expect(ofServices.map(({ service, kind }) => `${service} ${kind}`)).toEqual(['shop/ord-b wrong']);
  });

  it('are told of what the smaller name wins', () => {
    expect(two({ 'service-weight': '5' }, { 'service-weight': '3' }).ofServices).toMatchObject([
      { service: 'shop/ord-b', kind: 'overruled', rejection: { reason: 'Overruled' } },
    ]);
  });
});

describe('a port of a Service that its slices do not have for the pod', () => {
  const missing = (targetPort: string, overrides: Partial<Pod> = {}) =>
    desiredRegistrations(owner, toConsulConfig(), {
      ...{ pod: pod({ name: 'orders-1', ...overrides }), zone: '', nodeAddress: '192.168.1.11' },
      services: [source(ORDERS, { ports: [servicePort({ name: 'web', targetPort })] }, slice({ ports: [] }))],
    });

  it.each([
    ['a name that no container has', 'grpc', 'wrong', 'none of the containers of pod orders-1 has a port named "grpc"'],
    ['a name that a container has', 'http', 'late', 'expected it in an EndpointSlice of pod orders-1, found none'],
    ['a number', '8080', 'late', 'expected it in an EndpointSlice of pod orders-1, found none'],
    ['nothing', '', 'late', 'expected it in an EndpointSlice of pod orders-1, found none'],
  ])('and has as its targetPort %s, is told of the Service', (_, targetPort, kind, why) => {
    const { ofServices, held, rejections } = missing(targetPort);
    expect(ofServices).toMatchObject([{ service: 'shop/orders', kind, rejection: { reason: 'InvalidPort' } }]);
    expect(ofServices[0]?.rejection.message).toContain(`port "web" of Service shop/orders: ${why}`);
    expect([[...held], rejections]).toEqual([['orders'], []]);
  });

  it('is wrong when the container port of that name has another protocol', () => {
    const containers = [container({ ports: [{ name: 'http', port: 8080, protocol: 'UDP' }] })];
    expect(missing('http', { containers }).ofServices).toMatchObject([{ kind: 'wrong' }]);
  });

  it('is the same for all of its pods', () => {
    const abouts = ['a', 'b'].map((name) => missing('grpc', { name }).ofServices[0]?.about);
    expect(abouts[0]).toBe(abouts[1]);
  });
});

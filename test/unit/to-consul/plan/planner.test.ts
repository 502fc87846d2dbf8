import { describe, expect, it } from '@jest/globals';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import type { Planner } from '../../../../src/to-consul/plan/planner.ts';
import type { PodPlan } from '../../../../src/to-consul/plan/pod-plan.ts';
import {
  GATE,
  annotations,
  condition,
  endpoint,
  instance,
  node,
  pod,
  policy,
  service,
  slice,
  strings,
} from '../../builders.ts';
import { WORKER_1 } from '../instances.ts';
import { others, planning, podNamed, registered, type PlanningGiven } from '../planning.ts';

const POD = podNamed('a');
const [THERE] = registered({ pods: [POD] }) as [OwnInstance];
const TARGETING_A = endpoint('10.1.0.7', { target: { kind: 'Pod', namespace: 'shop', name: 'a' } });
const HOLDER = instance({ id: 'self', service: 'orders', address: '10.1.0.7', port: 8080 });

const OTHER = podNamed('b', { podIPs: ['10.1.0.8'] });
/** The pod is missing, and another of its service is there. */
const withOther = { pods: [OTHER], observed: registered({ pods: [POD, OTHER] }) };

/** What direct reads give for the pod, when they find nothing. */
const provenBy = (planner: Planner, isSecond = false) =>
  new Map(planner.plan('shop/a').unproven.map(({ instance, proof }) => [instance, { proof, isSecond }]));

/** In short. */
function shown({
  changes,
  unproven,
  unconfirmed,
  held,
  rejections,
  refusedNodes,
  unread,
  waitsFor,
}: PodPlan): string[] {
  return [
    ...changes.create.map(({ service, address, port }) => `create ${service} ${address}:${port}`),
    ...changes.update.map(({ desired: { service, address, port } }) => `update ${service} ${address}:${port}`),
    ...changes.remove.map(({ registration: { service } }) => `remove ${service}`),
    ...unproven.map(({ instance: { registration }, proof }) => `prove ${registration.service} by ${proof.kind}`),
    ...unconfirmed.map(({ instance: { registration } }) => `prove ${registration.service} once more`),
    ...held.map(({ registration: { service } }) => `hold ${service}`),
    ...rejections.map(({ reason }) => reason),
    ...refusedNodes.map((name) => `refused node ${name}`),
    ...unread.map((name) => `unread ${name}`),
    ...waitsFor.map(
      (wait) => `waits for ${'name' in wait ? wait.name : 'right' in wait ? wait.right.name : wait.namespace}`,
    ),
  ];
}

const planOf = (given: PlanningGiven, key = 'shop/a') => shown(planning(given).planner.plan(key));

describe('the plan for a pod', () => {
  it.each<[string, PlanningGiven, string[]]>([
    ['creates what is not there', { pods: [POD] }, ['create orders 10.1.0.7:8080']],
    ['is empty when all is as wanted', { pods: [POD], observed: [THERE] }, []],
    [
      'updates what is different',
      { pods: [podNamed('a', {}, { 'service-tags': 'new' })], observed: [THERE] },
      ['update orders 10.1.0.7:8080'],
    ],
    [
      'updates what lost its check',
      { pods: [POD], observed: [{ ...THERE, checkIndex: 0 }] },
      ['update orders 10.1.0.7:8080'],
    ],
    [
      'updates what has another check',
      {
        pods: [POD],
        observed: [
          {
            ...THERE,
            registration: { ...THERE.registration, check: { ...THERE.registration.check, status: 'critical' } },
          },
        ],
      },
      ['update orders 10.1.0.7:8080'],
    ],
    ['proves that a pod is gone', { observed: [THERE] }, ['prove orders by Pod']],
    [
      'removes what a pod does not ask for any more',
      { pods: [pod({ name: 'a', uid: 'uid-of-a' })], observed: [THERE] },
      ['remove orders'],
    ],
    [
      'holds what is there while the input is broken',
      { pods: [podNamed('a', {}, { 'service-port': 'none' })], observed: [THERE] },
      ['hold orders', 'InvalidPort'],
    ],
    [
      'waits for what it does not know of others',
      { pods: [POD], others: others({ orders: 'unread' }) },
      ['unread orders'],
    ],
    [
      'does not move before it knows who is there, and takes the instance from the address that the pod has left',
      {
        pods: [podNamed('a', { podIPs: ['10.1.0.8'] })],
        observed: [THERE],
        others: others({ orders: 'unread' }),
      },
      ['unread orders'],
    ],
    [
      'updates at the same address whatever it does not know',
      {
        pods: [podNamed('a', {}, { 'service-tags': 'new' })],
        observed: [THERE],
        others: others({ orders: 'unread' }),
      },
      ['update orders 10.1.0.7:8080'],
    ],
    [
      'leaves a duplicate alone',
      { pods: [POD], others: others({ orders: [HOLDER] }) },
      ['Duplicate', 'waits for orders'],
    ],
    [
      'does not hold another name for a duplicate',
      {
        pods: [podNamed('a', {}, { 'service-name': 'other' })],
        observed: [THERE],
        others: others({ other: [{ ...HOLDER, service: 'other' }] }),
      },
      ['remove orders', 'Duplicate', 'waits for other'],
    ],
    [
      'holds what is there when the policy refuses what is to replace it',
      {
        pods: [podNamed('a', {}, { 'service-name': 'other' })],
        observed: [THERE],
        others: others({ other: [instance()] }),
        config: { policy: policy({ default: 'deny' }) },
      },
      ['hold orders', 'PolicyDenied', 'waits for other'],
    ],
    [
      'has no room for what a Service asks for beside what it holds',
      {
        pods: [podNamed('a', {}, { 'service-port': 'none' })],
        services: [service({ name: 'api', annotations: annotations({ 'service-name': 'api' }) })],
        slices: [slice({ labels: strings({ 'kubernetes.io/service-name': 'api' }), endpoints: [TARGETING_A] })],
        observed: [THERE],
        config: { policy: policy({ maxInstances: 1 }) },
      },
      ['hold orders', 'InvalidPort', 'QuotaExceeded', 'waits for shop'],
    ],
    [
      'has room for what takes the place of what it removes',
      {
        pods: [podNamed('a', {}, { 'service-name': 'other' })],
        observed: [THERE],
        config: { policy: policy({ maxInstances: 1 }) },
      },
      ['create other 10.1.0.7:8080', 'remove orders'],
    ],
  ])('%s', (_, given, expected) => {
    expect(planOf(given)).toEqual(expected);
  });

  it('removes what was proven to be without its pod', () => {
    const { planner } = planning(withOther);
    expect(shown(planner.plan('shop/a', provenBy(planner)))).toEqual(['remove orders']);
    expect(shown(planner.plan('shop/a'))).toEqual(['prove orders by Pod']);
  });

  it.each<[string, PlanningGiven, boolean, string]>([
    ['removes the last of a service only after a second proof', { observed: [THERE] }, true, 'remove orders'],
    ['keeps the last of a service after a first proof', { observed: [THERE] }, false, 'prove orders once more'],
    ['keeps it beside others whose pods are missing too', { ...withOther, pods: [] }, false, 'prove orders once more'],
    [
      'keeps it beside others of another service',
      { pods: [OTHER], observed: registered({ pods: [POD, podNamed('b', {}, { 'service-name': 'other' })] }) },
      false,
      'prove orders once more',
    ],
  ])('%s', (_, given, isSecond, expected) => {
    const { planner } = planning(given);
    expect(shown(planner.plan('shop/a', provenBy(planner, isSecond)))).toEqual([expected]);
  });

  it('counts what waits for a second proof among the places of its pod', () => {
    const { planner } = planning({ observed: [THERE] });
    expect(planner.plan('shop/a', provenBy(planner)).places).toEqual([THERE.registration]);
  });

  it('refuses a Consul node of somebody else', () => {
    const { planner, consul } = planning({ pods: [POD] });
    consul.setNode(WORKER_1, { why: 'Consul node k8s-prod--worker-1 belongs to an agent' });
    expect(shown(planner.plan('shop/a'))).toEqual(['NodeConflict', `refused node ${WORKER_1}`]);
  });

  it.each([
    ['spoilt', { isIntact: false }],
    ['at another address', { address: '192.168.1.99' }],
  ])('writes what is on a node that is %s', (_, state) => {
    const { planner, consul } = planning({ pods: [POD], observed: [THERE] });
    consul.setNode(WORKER_1, state);
    expect(shown(planner.plan('shop/a'))).toEqual(['update orders 10.1.0.7:8080']);
  });

  it('keeps the spelling of an ID that Consul has', () => {
    const id = THERE.registration.id.toUpperCase();
    const spelt = { ...THERE, registration: { ...THERE.registration, id, tags: ['old'] } };
    const { changes } = planning({ pods: [POD], observed: [spelt] }).planner.plan('shop/a');
    expect(changes.update.map(({ desired }) => desired.id)).toEqual([id]);
  });

  it('made twice is the same, whatever it is', () => {
    const given = {
      pods: [POD, podNamed('b', { podIPs: ['10.1.0.8'] }), podNamed('c', {}, { 'service-name': 'taken' })],
      observed: [{ ...THERE, podKey: 'shop/gone' }],
      others: others({ taken: [{ ...HOLDER, service: 'taken' }] }),
      config: { policy: policy({ maxInstances: 2, default: 'deny' }) },
    };
    const { planner } = planning(given);
    const plans = () => [...planner.keys()].map((key) => planner.plan(key));
    expect([...planner.keys()]).toEqual(['shop/a', 'shop/b', 'shop/c', 'shop/gone']);
    expect(plans()).toEqual(plans());
  });

  it('says which places it takes, so that the next plan knows them', () => {
    const { planner, places } = planning({
      pods: [POD, podNamed('b', { podIPs: ['10.1.0.8'] })],
      config: { policy: policy({ maxInstances: 1 }) },
    });
    const { places: taken } = planner.plan('shop/a');
    expect(shown(planner.plan('shop/b'))).toEqual(['create orders 10.1.0.8:8080']);
    places.record('shop/a', taken);
    expect(shown(planner.plan('shop/b'))).toEqual(['QuotaExceeded', 'waits for shop']);
  });
});

describe('the members of a pod, of which the breaker is told', () => {
  const membersOf = (given: PlanningGiven) => {
    const { podUid, byId } = planning(given).planner.plan('shop/a').members;
    return [podUid, ...[...byId].map(([id, { service, isThere }]) => `${id} ${service} ${isThere ? 'there' : 'lost'}`)];
  };
  const NOT_READY = { ready: condition({ status: 'False' }) };
  const ORDERS = 'prod.shop.a:orders:8080 orders';

  it.each<[string, PlanningGiven, string[]]>([
    ['is there when it is Ready', { pods: [POD] }, ['uid-of-a', `${ORDERS} there`]],
    ['is lost when it is not', { pods: [podNamed('a', NOT_READY)] }, ['uid-of-a', `${ORDERS} lost`]],
    ['is none when it stays critical', { pods: [podNamed('a', NOT_READY, { 'not-ready': 'critical' })] }, ['uid-of-a']],
    ['is none when the pod is gone', { observed: [THERE] }, ['']],
    ['is none when the pod is being deleted', { pods: [{ ...POD, deletionTimestamp: 'now' }] }, ['uid-of-a']],
    ['is none when it is refused', { pods: [POD], others: others({ orders: [HOLDER] }) }, ['uid-of-a']],
    [
      'is none before it is known whether it comes',
      { pods: [POD], others: others({ orders: 'unread' }) },
      ['uid-of-a'],
    ],
    [
      'is there when it is in Consul, whatever is known of others',
      { pods: [POD], observed: [THERE], others: others({ orders: 'unread' }) },
      ['uid-of-a', `${ORDERS} there`],
    ],
    [
      'is there when it stays because the input is broken',
      { pods: [podNamed('a', {}, { 'service-weight': 'x' })], observed: [THERE] },
      ['uid-of-a', `${ORDERS} there`],
    ],
    [
      'is none when the input is broken and the pod not Ready',
      { pods: [podNamed('a', NOT_READY, { 'service-weight': 'x' })], observed: [THERE] },
      ['uid-of-a'],
    ],
  ])('%s', (_, given, expected) => {
    expect(membersOf(given)).toEqual(expected);
  });
});

describe('the places of a pod', () => {
  it.each<[string, PlanningGiven, string[]]>([
    ['are those of what it gets', { pods: [POD] }, ['orders']],
    ['are those of what it has', { pods: [POD], observed: [THERE] }, ['orders']],
    [
      'are those of what is held',
      { pods: [podNamed('a', {}, { 'service-port': 'none' })], observed: [THERE] },
      ['orders'],
    ],
    ['are those of what is to be removed when it is proven', { observed: [THERE] }, ['orders']],
    [
      'are one for an instance that moves to another node, while nobody knows yet who is there',
      {
        pods: [podNamed('a', { uid: 'another', nodeName: 'worker-2', podIPs: ['10.1.0.9'] })],
        observed: [THERE],
        others: others({ orders: 'unread' }),
      },
      ['orders'],
    ],
    ['are none of what is removed', { pods: [pod({ name: 'a', uid: 'uid-of-a' })], observed: [THERE] }, []],
    ['are none of what is refused', { pods: [POD], others: others({ orders: [HOLDER] }) }, []],
  ])('%s', (_, given, expected) => {
    const { places } = planning(given).planner.plan('shop/a');
    expect(places.map(({ service }) => service)).toEqual(expected);
  });
});

describe('a pod with a shut gate', () => {
  const gated = { readinessGates: [GATE], conditions: strings({ ContainersReady: 'True' }) };
  const labels = strings({ app: 'orders' });
  const shut = pod({ name: 'a', uid: 'uid-of-a', labels, ...gated });
  const asking = service({ annotations: annotations({ 'service-name': 'orders' }) });
  const targeting = slice({
    endpoints: slice().endpoints.map((endpoint) => ({
      ...endpoint,
      target: { kind: 'Pod', namespace: 'shop', name: 'a' },
    })),
  });
  const gateIsOn = { readinessGate: true };

  it.each<[string, PlanningGiven, string[]]>([
    ['waits for a Service whose slices do not have it yet', { services: [asking] }, ['orders']],
    ['waits for a slice with the port', { services: [asking], slices: [{ ...targeting, ports: [] }] }, ['orders']],
    ['does not wait for a slice that is there', { services: [asking], slices: [targeting] }, []],
    ['does not wait for a Service that does not ask', { services: [service()] }, []],
    [
      'does not wait for a Service that selects others',
      { services: [{ ...asking, selector: strings({ app: 'billing' }) }] },
      [],
    ],
    ['does not wait while the gate is off', { services: [asking], config: { readinessGate: false } }, []],
    ['does not wait when it is over', { services: [asking], pods: [{ ...shut, phase: 'Succeeded' }] }, []],
    [
      'does not wait once it is open',
      { services: [asking], pods: [{ ...shut, conditions: strings({ ContainersReady: 'True', [GATE]: 'True' }) }] },
      [],
    ],
  ])('%s', (_, given, expected) => {
    const { planner } = planning({ pods: [shut], config: gateIsOn, ...given });
    expect(planner.plan('shop/a').awaited.map(({ name }) => name)).toEqual(expected);
  });
});

describe('the zone', () => {
  it('is that of the node, or of the pod where nobody sees the node, and its absence is no reason not to register', () => {
    const zone = (nodes: PlanningGiven['nodes'], labels = {}) =>
      planning({ pods: [{ ...POD, labels: strings(labels) }], nodes: nodes ?? [] })
        .planner.plan('shop/a')
        .changes.create.map(({ meta }) => meta.get('zone'));
    expect(zone([node({ labels: strings({ 'topology.kubernetes.io/zone': 'eu-1' }) })])).toEqual(['eu-1']);
    expect(zone([])).toEqual([undefined]);
    expect(zone([], { 'topology.kubernetes.io/zone': 'eu-2' })).toEqual(['eu-2']);
    expect(zone([node()], { 'topology.kubernetes.io/zone': 'eu-2' })).toEqual([undefined]);
  });
});

describe('while toConsul.removals is never', () => {
  const config = { removals: 'never' } as const;
  const unready = podNamed('a', { ready: condition({ status: 'False' }) });
  const keep = (given: PlanningGiven) => planning({ ...given, config: { ...config, ...given.config } });
  const brief = ({ changes, kept }: PodPlan) => ({
    create: changes.create.length,
    update: changes.update.map(({ desired: { check, address } }) => `${address} ${check.status}`),
    remove: changes.remove.map(({ registration }) => registration.node.name),
    kept: kept.length,
  });
  const nothing = { create: 0, update: [], remove: [], kept: 0 };

  it('the instance of a pod that is not Ready stays, critical, and is written once', () => {
    const { planner, consul } = keep({ pods: [unready], observed: [THERE] });
    expect(brief(planner.plan('shop/a'))).toEqual({ ...nothing, update: ['10.1.0.7 critical'], kept: 1 });
    consul.apply(planner.plan('shop/a').changes);
    expect(brief(planner.plan('shop/a'))).toEqual({ ...nothing, kept: 1 });
    const [after] = [...consul.ofPod('shop/a').values()];
    expect(after?.registration.check.output).toContain('toConsul.removals is never');
    expect(brief(keep({ pods: [POD], observed: after ? [after] : [] }).planner.plan('shop/a'))).toEqual({
      ...nothing,
      update: ['10.1.0.7 passing'],
    });
    expect(brief(planning({ pods: [unready], observed: after ? [after] : [] }).planner.plan('shop/a'))).toEqual({
      ...nothing,
      remove: [WORKER_1],
    });
  });

  it('the instance of a pod that is gone needs its proof first, and none again once it is kept', () => {
    const { planner, consul } = keep(withOther);
    expect(brief(planner.plan('shop/a'))).toEqual(nothing);
    const proven = planner.plan('shop/a', provenBy(planner));
    expect(brief(proven)).toEqual({ ...nothing, update: ['10.1.0.7 critical'], kept: 1 });
    consul.apply(proven.changes);
    const again = planner.plan('shop/a');
    expect([brief(again), again.unproven]).toEqual([{ ...nothing, kept: 1 }, []]);
  });

  it("an instance that moves to another Consul node is replaced: its address is nobody's any more", () => {
    const moved = podNamed('a', { nodeName: 'worker-2', hostIP: '10.0.0.2', podIPs: ['10.1.0.9'] });
    const { planner } = keep({ pods: [moved], nodes: [node(), node({ name: 'worker-2' })], observed: [THERE] });
    expect(brief(planner.plan('shop/a'))).toEqual({ ...nothing, create: 1, remove: [WORKER_1] });
  });

  it('what is kept takes the room of its namespace', () => {
    const limited = { ...config, policy: policy({ maxInstances: 1 }) };
    const { planner, places } = keep({ pods: [unready, OTHER], observed: [THERE], config: limited });
    places.record('shop/a', planner.plan('shop/a').places);
    expect(planner.plan('shop/b').rejections.map(({ reason }) => reason)).toEqual(['QuotaExceeded']);
  });
});

import { describe, expect, it } from '@jest/globals';
import type { CatalogCheck, CatalogService, NodeContents } from '../../../../src/consul/types.ts';
import { MANAGED_BY, META } from '../../../../src/mark.ts';
import { hasSameServices, observe, type NodeState } from '../../../../src/to-consul/observed/own-instance.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';
import { WORKER_1 } from '../instances.ts';

const ADDRESS = '192.168.1.11';
const ID = 'prod.shop.orders-1:orders:8080';
const MARKS = { [META.managedBy]: MANAGED_BY, [META.cluster]: 'prod', [META.podUid]: 'uid-of-orders-1' };
const ABSENT: NodeState = { state: 'absent' };
const OURS: NodeState = { state: 'ours', address: ADDRESS, isIntact: true, modifyIndex: 12 };

function service(overrides: Partial<CatalogService> = {}): CatalogService {
  return {
    id: ID,
    service: 'orders',
    address: '10.1.0.7',
    port: 8080,
    taggedAddresses: strings(),
    tags: [],
    meta: strings(MARKS),
    weight: 1,
    modifyIndex: 21,
    ...overrides,
  };
}

function check(overrides: Partial<CatalogCheck> = {}): CatalogCheck {
  return {
    checkId: ID,
    name: 'Kubernetes readiness',
    type: 'kubernetes',
    status: 'passing',
    notes: 'notes',
    output: 'output',
    serviceId: ID,
    modifyIndex: 22,
    ...overrides,
  };
}

function contents(overrides: Partial<NodeContents> = {}, node: Partial<NodeContents['node']> = {}): NodeContents {
  return {
    node: { name: WORKER_1, address: ADDRESS, meta: strings(nodeMeta(owner)), modifyIndex: 12, ...node },
    services: [service()],
    checks: [check()],
    index: 22,
    ...overrides,
  };
}

const onlyOne = (given: NodeContents) => {
  const [instance, ...others] = observe(owner, given, ABSENT).instances.values();
  expect(others).toEqual([]);
  return instance;
};

describe('a Consul node', () => {
  it.each<[string, NodeContents | undefined, NodeState, Partial<NodeState> & object]>([
    ['absent when it is not there', undefined, OURS, { state: 'absent' }],
    ['ours by its marks', contents(), ABSENT, OURS],
    ['ours as before', contents(), OURS, OURS],
    [
      'refused without the marks',
      contents({}, { meta: strings() }),
      OURS,
      { state: 'refused', why: `Consul node ${WORKER_1} exists and was not made by this installation` },
    ],
    [
      'refused when it is an agent',
      contents({ checks: [check({ checkId: 'serfHealth', serviceId: '' })] }),
      OURS,
      { state: 'refused', why: `Consul node ${WORKER_1} belongs to an agent (it has a serfHealth check)` },
    ],
    ['spoilt by another address', contents({}, { address: '192.0.2.1' }), OURS, { isIntact: false }],
    ['with any address, at first sight', contents({}, { address: '192.0.2.1' }), ABSENT, { isIntact: true }],
    [
      'spoilt until it is written',
      contents({}, { address: '192.0.2.1' }),
      { ...OURS, address: '192.0.2.1', isIntact: false },
      { isIntact: false },
    ],
    [
      'spoilt by other meta',
      contents({}, { meta: strings({ ...nodeMeta(owner), 'external-source': 'theirs' }) }),
      ABSENT,
      { state: 'ours', isIntact: false },
    ],
  ])('is %s', (_, given, known, state) => {
    expect(observe(owner, given, known).node).toMatchObject(state);
  });

  it('that is refused has no instances of ours', () => {
    expect(observe(owner, contents({}, { meta: strings() }), OURS).instances.size).toBe(0);
  });
});

describe('an instance of ours', () => {
  it('is known by its ID, with the indexes that a write must name', () => {
    const { instances } = observe(owner, contents(), ABSENT);
    expect([...instances.keys()]).toEqual([`${WORKER_1}/${ID}`]);
    expect(instances.get(`${WORKER_1}/${ID}`)).toMatchObject({
      podKey: 'shop/orders-1',
      podUid: 'uid-of-orders-1',
      serviceIndex: 21,
      checkIndex: 22,
      registration: { node: { name: WORKER_1, address: ADDRESS }, id: ID, check: { status: 'passing' } },
    });
  });

  it.each<[string, Partial<CatalogService>]>([
    ['an ID of another cluster', { id: 'test.shop.orders-1:orders:8080' }],
    ['an ID of somebody else', { id: 'orders-1' }],
  ])('is none that has %s', (_, overrides) => {
    expect(observe(owner, contents({ services: [service(overrides)] }), ABSENT).instances.size).toBe(0);
  });

  it.each<[string, Record<string, string>]>([
    ['no meta', {}],
    ['the mark of another cluster', { ...MARKS, [META.cluster]: 'test' }],
    ['the mark of somebody else', { ...MARKS, [META.managedBy]: 'theirs' }],
  ])('is still one that somebody wrote over, with %s: its pod has to put it right', (_, meta) => {
    const instance = onlyOne(contents({ services: [service({ meta: strings(meta), modifyIndex: 30 })] }));
    expect(instance).toMatchObject({ podKey: 'shop/orders-1', serviceIndex: 30 });
  });

  it.each<[string, CatalogCheck[], number, string]>([
    ['none', [], 0, 'critical'],
    ['that of another instance only', [check({ serviceId: 'other' })], 0, 'critical'],
    ['its own', [check()], 22, 'passing'],
    ['its own in another spelling', [check({ checkId: ID.toUpperCase() })], 22, 'passing'],
    ['one that somebody set to warning', [check({ status: 'warning' })], 22, 'warning'],
    ['one with a status that nobody knows', [check({ status: 'maintenance' })], 22, 'warning'],
  ])('with checks: %s', (_, checks, checkIndex, status) => {
    const instance = onlyOne(contents({ checks }));
    expect([instance?.checkIndex, instance?.registration.check.status]).toEqual([checkIndex, status]);
  });
});

describe('the services on a node are those that we know', () => {
  const { instances } = observe(owner, contents(), ABSENT);
  const other = { id: 'prod.shop.orders-2:orders:8080', modifyIndex: 30 };
  it.each<[string, { id: string; modifyIndex: number }[], boolean]>([
    ['when nothing changed', [service()], true],
    ['when somebody else has more there', [service(), { id: 'squatter', modifyIndex: 99 }], true],
    ['in another spelling', [{ id: ID.toUpperCase(), modifyIndex: 21 }], true],
    ['not when one was changed', [service({ modifyIndex: 23 })], false],
    ['not when one is missing', [], false],
    ['not when one is there that we do not know', [service(), other], false],
    ['not when one came for another', [other], false],
  ])('%s', (_, found, isSame) => {
    expect(hasSameServices(owner, instances, found)).toBe(isSame);
  });
});

import { describe, expect, it } from '@jest/globals';
import {
  assertTrustworthy,
  decodeHealthState,
  decodeInstances,
  decodeNodes,
  decodeServiceNames,
} from '../../../src/consul/catalog.ts';
import { UntrustworthyAnswer } from '../../../src/consul/errors.ts';
import { strings } from '../builders.ts';
import { answer, row } from './answers.ts';

const PURPOSE = 'read service orders';

const decode = (...rows: unknown[]) => decodeInstances(answer(rows), 'orders');

describe('an instance', () => {
  it('is trimmed to what Consular uses', () => {
    expect(decode(row)).toEqual([
      {
        node: 'vm-1',
        nodeAddress: '10.20.0.1',
        id: 'orders-1',
        service: 'Orders',
        address: '10.20.0.9',
        port: 8080,
        namedPorts: [],
        tags: ['v1', 'secure=true'],
        meta: strings({ zone: 'eu-1a' }),
        kind: '',
        status: 'passing',
        weight: 1,
      },
    ]);
  });

  it.each<[string, object, number, number[]]>([
    ['the one that Consul says', { Port: 80, Ports: [{ Name: 'http', Port: 8080, Default: true }] }, 80, [8080]],
    [
      'the default of its named ones',
      {
        Port: 0,
        Ports: [
          { Name: 'admin', Port: 9000 },
          { Name: 'http', Port: 8080, Default: true },
        ],
      },
      8080,
      [9000, 8080],
    ],
    ['none, when no named one is the default', { Port: 0, Ports: [{ Name: 'http', Port: 8080 }] }, 0, [8080]],
    ['none, when its named ones are nonsense', { Ports: [null, 7, {}, { Port: '80', Default: true }] }, 0, [0, 0]],
    ['none, when they are no list', { Ports: { http: 8080 } }, 0, []],
  ])('has for a port %s', (_, ports, port, namedPorts) => {
    expect(decode({ ...row, Service: { ...row.Service, Port: undefined, ...ports } })[0]).toMatchObject({
      port,
      namedPorts,
    });
  });

  it.each([
    ['no checks', [], 'passing'],
    ['passing', ['passing', 'passing'], 'passing'],
    ['one warning', ['passing', 'warning'], 'warning'],
    ['one critical', ['warning', 'critical', 'passing'], 'critical'],
    ['maintenance, which is a critical check', ['passing', 'critical'], 'critical'],
    ['a status that Consul does not define', ['passing', 'unknown'], 'critical'],
    ['an empty status', [''], 'critical'],
    ['a status in capitals', ['Passing'], 'critical'],
  ])('with %s is as healthy as its worst check', (_, statuses, status) => {
    const Checks = statuses.map((Status) => ({ Status }));
    expect(decode({ ...row, Checks }).map(({ status }) => status)).toEqual([status]);
  });

  it.each([
    ['passing', 7],
    ['warning', 2],
    ['critical', 7],
  ])('that is %s has the weight for that', (Status, weight) => {
    const Service = { ...row.Service, Weights: { Passing: 7, Warning: 2 } };
    expect(decode({ ...row, Service, Checks: [{ Status }] }).map(({ weight }) => weight)).toEqual([weight]);
  });

  it('with nulls, as Consul writes empty lists, is empty there', () => {
    const [instance] = decode({ ...row, Service: { ...row.Service, Tags: null, Meta: null }, Checks: null });
    expect(instance).toMatchObject({ tags: [], meta: new Map(), status: 'passing' });
  });

  it('with ill-typed fields keeps what can be read', () => {
    const Service = { ID: 'x', Service: 7, Port: '8080', Tags: ['a', 1], Meta: { a: 1, b: 'c' }, Address: null };
    expect(decode({ Node: { Node: 'vm-1', Address: 1 }, Service, Checks: 'x' })).toEqual([
      {
        node: 'vm-1',
        nodeAddress: '',
        id: 'x',
        service: '',
        address: '',
        port: 0,
        namedPorts: [],
        tags: ['a'],
        meta: strings({ b: 'c' }),
        kind: '',
        status: 'passing',
        weight: 1,
      },
    ]);
  });

  it.each([
    ['null', null],
    ['text', 'x'],
    ['no ID', { ...row, Service: { ...row.Service, ID: '' } }],
    ['no service', { Node: row.Node }],
    ['no node', { Service: row.Service }],
  ])('that cannot be told apart (%s) costs only itself', (_, broken) => {
    expect(decode(broken, row).map(({ id }) => id)).toEqual(['orders-1']);
  });
});

describe('an answer that proves nothing', () => {
  it.each([
    ['a server without a leader', { knownLeader: false }, 'found one from a server that knows no leader'],
    ['one that ACLs filtered', { filteredByAcls: true }, 'found one that ACLs filtered'],
  ])('%s is refused by every decoder', (_, flaw, message) => {
    const flawed = (body: unknown) => answer(body, flaw);
    for (const read of [
      () => assertTrustworthy(PURPOSE, flawed([])),
      () => decodeInstances(flawed([row]), 'orders'),
      () => decodeNodes(flawed([]), PURPOSE),
      () => decodeServiceNames(flawed({ consul: [] })),
    ]) {
      expect(read).toThrow(UntrustworthyAnswer);
      expect(read).toThrow(message);
    }
  });

  it.each([[null], [{}], ['No cluster leader'], [undefined]])('a body of the wrong shape (%j) is refused', (body) => {
    expect(() => decodeInstances(answer(body), 'orders')).toThrow(`read ${PURPOSE}: expected an array`);
    expect(() => decodeNodes(answer(body), PURPOSE)).toThrow(TypeError);
    expect(() => decodeHealthState(answer(body), PURPOSE)).toThrow(TypeError);
  });

  it.each([[{}], [{ orders: [] }]])('a list of services without "consul" (%j) is refused', (body) => {
    expect(() => decodeServiceNames(answer(body))).toThrow(
      'found a list without "consul": is the token missing or without rights?',
    );
  });

  it.each([[null], [[]], ['x']])('a list of services of the wrong shape (%j) is refused', (body) => {
    expect(() => decodeServiceNames(answer(body))).toThrow('expected an object');
  });
});

it('service names are told as Consul spells them', () => {
  expect(decodeServiceNames(answer({ consul: [], Orders: ['v1'] }))).toEqual(['consul', 'Orders']);
});

it('checks in a state are told by node and check, with what they are about', () => {
  const rows = [
    { Node: 'vm-1', CheckID: 'service:orders-1', ServiceName: 'Orders' },
    { Node: 'vm-1', CheckID: 'serfHealth', ServiceName: '' },
    null,
  ];
  expect([...decodeHealthState(answer(rows), PURPOSE)]).toEqual([
    ['vm-1/service:orders-1', { node: 'vm-1', service: 'Orders' }],
    ['vm-1/serfHealth', { node: 'vm-1', service: '' }],
  ]);
});

import { describe, expect, it } from '@jest/globals';
import { decodeNodeContents, decodeNodes, nodesRequest } from '../../../src/consul/catalog.ts';
import { strings } from '../builders.ts';
import { answer, row } from './answers.ts';

const PURPOSE = 'read Consul nodes of prod';

describe('the nodes of a cluster', () => {
  it('are asked for by their meta', () => {
    expect(nodesRequest('k8s-cluster', 'prod')).toMatchObject({
      path: '/catalog/nodes',
      query: { 'node-meta': 'k8s-cluster:prod' },
    });
  });

  it('are trimmed to what Consular uses', () => {
    expect(decodeNodes(answer([row.Node, null]), PURPOSE)).toEqual([
      { name: 'vm-1', address: '10.20.0.1', meta: strings({ rack: '7' }), modifyIndex: 12 },
    ]);
  });
});

describe('one node', () => {
  const check = {
    Node: 'k8s-prod--worker-1',
    CheckID: 'orders-1',
    Name: 'Kubernetes readiness',
    Type: 'kubernetes',
    Status: 'passing',
    Notes: 'notes',
    Output: 'output',
    ServiceID: 'orders-1',
    ModifyIndex: 14,
  };
  const decode = (services: unknown, checks: unknown, flaw = {}) =>
    decodeNodeContents(answer(services), answer(checks, flaw), 'read Consul node vm-1');

  it('is read with its services and checks', () => {
    const Service = { ...row.Service, Weights: { Passing: 5, Warning: 1 } };
    expect(decode({ Node: row.Node, Services: [Service] }, [check])).toEqual({
      node: { name: 'vm-1', address: '10.20.0.1', meta: strings({ rack: '7' }), modifyIndex: 12 },
      services: [
        {
          id: 'orders-1',
          service: 'Orders',
          address: '10.20.0.9',
          port: 8080,
          taggedAddresses: strings(),
          tags: ['v1', 'secure=true'],
          meta: strings({ zone: 'eu-1a' }),
          weight: 5,
          modifyIndex: 13,
        },
      ],
      checks: [
        {
          checkId: 'orders-1',
          name: 'Kubernetes readiness',
          type: 'kubernetes',
          status: 'passing',
          notes: 'notes',
          output: 'output',
          serviceId: 'orders-1',
          modifyIndex: 14,
        },
      ],
      index: 7,
    });
  });

  it('has the tagged addresses of its services, with a port where that is another than the own one', () => {
    const TaggedAddresses = {
      lan_ipv4: { Address: '10.20.0.9', Port: 8080 },
      lan_ipv6: { Address: 'fd00::9', Port: 1 },
      wan: null,
    };
    const Service = { ...row.Service, TaggedAddresses };
    const [service] = decode({ Node: row.Node, Services: [Service] }, [])?.services ?? [];
    expect(service?.taggedAddresses).toEqual(strings({ lan_ipv4: '10.20.0.9', lan_ipv6: 'fd00::9 1', wan: ' 0' }));
  });

  it('is empty when Consul says that nothing is there', () => {
    expect(decode({ Node: row.Node, Services: null }, [])).toMatchObject({ services: [], checks: [] });
  });

  it.each([[null], [{ Node: null, Services: [] }]])(
    'is undefined when Consul says that there is none: %j',
    (services) => {
      expect(decode(services, [])).toBeUndefined();
    },
  );

  it.each([
    ['a server without a leader', null, [], { knownLeader: false }],
    ['filtered checks', null, [], { filteredByAcls: true }],
    ['services of the wrong shape', [], [], {}],
    ['an answer that does not speak of services', { Node: row.Node }, [], {}],
    ['a service of the wrong shape', { Node: row.Node, Services: [null] }, [], {}],
    ['checks of the wrong shape', { Node: row.Node, Services: [] }, null, {}],
    ['a check of the wrong shape', { Node: row.Node, Services: [] }, [null], {}],
  ])('is not believed from %s', (_, services, checks, flaw) => {
    expect(() => decode(services, checks, flaw)).toThrow(/expected/);
  });
});

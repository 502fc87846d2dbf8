import { describe, expect, it } from '@jest/globals';
import { operationList, type Operation } from '../../../../src/consul/transaction.ts';
import { validate } from '../../../../src/to-consul/registration/registration.ts';
import {
  nodeOperation,
  nodesNeeded,
  nodesTouched,
  toOperations,
  type PodChanges,
} from '../../../../src/to-consul/write/operations.ts';
import { owner, registration, strings } from '../../builders.ts';
import { observed } from '../instances.ts';

function changes(given: Partial<PodChanges>): PodChanges {
  return { create: [], update: [], remove: [], ...given };
}

/** `verb kind id on node @index` for each operation. */
function shown(operations: readonly Operation[]): string[] {
  return operations.map((operation) => {
    if ('Node' in operation) return `node ${operation.Node.Node.Node}`;
    if ('Check' in operation) {
      const { Verb, Check } = operation.Check;
      return `${Verb} check of ${Check.ServiceName} on ${Check.Node} @${Check.ModifyIndex}`;
    }
    const { Verb, Node, Service } = operation.Service;
    return `${Verb} service ${Service.Service} on ${Node} @${Service.ModifyIndex}`;
  });
}

const HERE = 'k8s-prod--worker-1';
const elsewhere = { node: { name: 'k8s-prod--worker-2', address: '192.168.1.12' } };
const critical = { status: 'critical', notes: 'notes', output: 'Pod is not Ready' } as const;

describe('the operations of a pod', () => {
  it.each<[string, Partial<PodChanges>, string[]]>([
    ['nothing changed', {}, []],
    [
      'it is new: both only if absent',
      { create: [registration()] },
      [`cas service orders on ${HERE} @0`, `cas check of orders on ${HERE} @0`],
    ],
    [
      'its readiness changed',
      { update: [{ desired: registration({ check: critical }), observed: observed() }] },
      [`cas check of orders on ${HERE} @22`],
    ],
    [
      'its tags changed',
      { update: [{ desired: registration({ tags: ['v2'] }), observed: observed() }] },
      [`cas service orders on ${HERE} @21`],
    ],
    [
      'both changed',
      { update: [{ desired: registration({ tags: ['v2'], check: critical }), observed: observed() }] },
      [`cas service orders on ${HERE} @21`, `cas check of orders on ${HERE} @22`],
    ],
    [
      'its check is missing',
      { update: [{ desired: registration(), observed: observed({}, { checkIndex: 0 }) }] },
      [`cas check of orders on ${HERE} @0`],
    ],
    [
      'it is gone: the service takes its check with it',
      { remove: [observed()] },
      [`delete-cas service orders on ${HERE} @21`],
    ],
    [
      'it moved to another node: never nowhere',
      { create: [registration(elsewhere)], remove: [observed()] },
      [
        'cas service orders on k8s-prod--worker-2 @0',
        'cas check of orders on k8s-prod--worker-2 @0',
        `delete-cas service orders on ${HERE} @21`,
      ],
    ],
  ])('%s', (_, given, operations) => {
    expect(shown(toOperations(changes(given)))).toEqual(operations);
  });

  it('have the addresses of both families of a dual-stack pod, with the port of the service', () => {
    const taggedAddresses = strings({ lan_ipv4: '10.1.0.7', lan_ipv6: 'fd00::7' });
    const [service] = toOperations(changes({ create: [registration({ taggedAddresses })] }));
    expect(service).toMatchObject({
      Service: {
        Service: {
          Address: '10.1.0.7',
          TaggedAddresses: {
            lan_ipv4: { Address: '10.1.0.7', Port: 8080 },
            lan_ipv6: { Address: 'fd00::7', Port: 8080 },
          },
        },
      },
    });
  });

  it('are in the words of Consul', () => {
    const text = registration({ tags: ['v1'], weight: 3, meta: new Map([['__proto__', 'data']]) });
    const [service, check] = toOperations(changes({ create: [text] }));
    expect(JSON.parse(JSON.stringify([service, check]))).toEqual([
      {
        Service: {
          Verb: 'cas',
          Node: HERE,
          Service: {
            ID: text.id,
            Service: 'orders',
            Address: '10.1.0.7',
            Port: 8080,
            Tags: ['v1'],
            Meta: JSON.parse('{"__proto__":"data"}') as unknown,
            Weights: { Passing: 3, Warning: 3 },
            ModifyIndex: 0,
          },
        },
      },
      {
        Check: {
          Verb: 'cas',
          Check: {
            Node: HERE,
            CheckID: text.id,
            Name: 'Kubernetes readiness',
            Type: 'kubernetes',
            Status: 'passing',
            Notes: 'notes',
            Output: 'Pod is Ready',
            ServiceID: text.id,
            ServiceName: 'orders',
            ModifyIndex: 0,
          },
        },
      },
    ]);
  });

  it.each([
    ['an ID, which would take the whole node', observed({ id: '' })],
    ['an index, which would take what we never saw', observed({}, { serviceIndex: 0 })],
  ])('never remove without %s', (_, remove) => {
    expect(() => toOperations(changes({ remove: [remove] }))).toThrow('expected an ID and an index');
  });
});

describe('the nodes of changes', () => {
  const given = changes({
    create: [registration(elsewhere)],
    update: [{ desired: registration(), observed: observed() }],
    remove: [observed({ node: { name: 'k8s-prod--worker-3', address: '' } })],
  });

  it('that must exist are those of what is written, and not of what goes', () => {
    expect(nodesNeeded(given)).toEqual([elsewhere.node, registration().node]);
  });

  it('that are touched are all of them', () => {
    expect(nodesTouched(given)).toEqual(['k8s-prod--worker-2', HERE, 'k8s-prod--worker-3']);
  });

  it('are created with our mark', () => {
    const { Node } = nodeOperation(owner, elsewhere.node, 7);
    expect(Node).toMatchObject({
      Verb: 'cas',
      Node: { Node: 'k8s-prod--worker-2', Address: '192.168.1.12', ModifyIndex: 7 },
    });
    expect(strings(Node.Node.Meta).get('k8s-cluster-uid')).toBe(owner.clusterUid);
  });
});

it('one instance with the largest tags and meta that are valid fits into a transaction of 400 KiB', () => {
  const meta = new Map(Array.from({ length: 64 }, (_, i) => [String(i).padEnd(128, 'k'), '"'.repeat(512)]));
  const largest = registration({ tags: ['"'.repeat(56 * 1024 - 2)], meta });
  expect(validate(largest, meta)).toEqual([]);
  const { text } = operationList(toOperations(changes({ create: [largest] })));
  expect(Buffer.byteLength(text)).toBeLessThan(200 * 1024);
});

import { describe, expect, it } from '@jest/globals';
import type { CatalogCheck, CatalogService, NodeContents } from '../../../../src/consul/types.ts';
import { EmptySince, whyNodeStays } from '../../../../src/to-consul/nodes/empty-node.ts';
import { nodeRemoval } from '../../../../src/to-consul/write/operations.ts';
import { ownNodeName } from '../../../../src/to-consul/identity/entry.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';

const WORKER_1 = 'k8s-prod--worker-1';

function contents(node: Partial<NodeContents['node']> = {}, more: Partial<NodeContents> = {}): NodeContents {
  const whole = { name: WORKER_1, address: '192.168.1.11', meta: strings(nodeMeta(owner)), modifyIndex: 12, ...node };
  return { node: whole, services: [], checks: [], index: 14, ...more };
}

const foreignService: CatalogService = {
  id: 'squatter',
  service: 'squatter',
  address: '',
  port: 80,
  taggedAddresses: strings(),
  tags: [],
  meta: strings(),
  weight: 1,
  modifyIndex: 13,
};
const foreignCheck: CatalogCheck = {
  checkId: 'probe',
  name: 'probe',
  type: '',
  status: 'passing',
  notes: '',
  output: '',
  serviceId: '',
  modifyIndex: 14,
};

describe('a Consul node', () => {
  it('may be removed when it is ours and nothing at all is on it', () => {
    expect(whyNodeStays(owner, contents())).toBeUndefined();
  });

  const without = (key: string) => strings({ ...nodeMeta(owner), [key]: '' });
  it.each<[string, NodeContents, RegExp]>([
    ['has an instance of somebody else', contents({}, { services: [foreignService] }), /1 service instances/],
    ['has a check of somebody else', contents({}, { checks: [foreignCheck] }), /1 checks/],
    ['has no mark', contents({ meta: strings() }), /not made by this installation/],
    ['lacks managed-by', contents({ meta: without('managed-by') }), /not made by this installation/],
    ['lacks the cluster', contents({ meta: without('k8s-cluster') }), /not made by this installation/],
    ['has the uid of another cluster', contents({ meta: without('k8s-cluster-uid') }), /not made by this installation/],
    ["is the node of Consular's own entry", contents({ name: ownNodeName(owner) }), /no Kubernetes node/],
    ['has the name of no Kubernetes node', contents({ name: 'k8s-prod--' }), /no Kubernetes node/],
    ["has the name of another cluster's node", contents({ name: 'k8s-prod2--worker-1' }), /no Kubernetes node/],
    ['is an agent', contents({ name: 'vm-1' }), /no Kubernetes node/],
  ])('stays when it %s', (_, given, why) => {
    expect(whyNodeStays(owner, given)).toMatch(why);
  });

  it('is removed by its index, and never without one', () => {
    const { node } = contents();
    expect(nodeRemoval(node)).toEqual({
      Node: { Verb: 'delete-cas', Node: { Node: WORKER_1, ModifyIndex: 12 } },
    });
    expect(() => nodeRemoval({ ...node, modifyIndex: 0 })).toThrow(/expected a name and an index/);
    expect(() => nodeRemoval({ ...node, name: '' })).toThrow(/expected a name and an index/);
  });
});

describe('since when nodes have been empty', () => {
  const GRACE = 100;
  const empty = (nodes: Readonly<Record<string, number>>) => new Map(Object.entries(nodes));

  it('is counted from the first look at which they were', () => {
    const since = new EmptySince(GRACE);
    expect(since.due(empty({ a: 1 }), 1000)).toEqual([]);
    expect(since.due(empty({ a: 1, b: 1 }), 1099)).toEqual([]);
    expect(since.due(empty({ a: 1, b: 1 }), 1100)).toEqual(['a']);
    expect(since.due(empty({ a: 1, b: 1 }), 1199)).toEqual(['a', 'b']);
  });

  it('starts anew when they are in use', () => {
    const since = new EmptySince(GRACE);
    since.due(empty({ a: 1 }), 0);
    since.due(empty({}), 50);
    expect(since.due(empty({ a: 1 }), 100)).toEqual([]);
    expect(since.due(empty({ a: 1 }), 200)).toEqual(['a']);
  });

  it('starts anew when they were in use between two looks', () => {
    const since = new EmptySince(GRACE);
    since.due(empty({ a: 1 }), 0);
    expect(since.due(empty({ a: 3 }), 100)).toEqual([]);
    expect(since.due(empty({ a: 3 }), 200)).toEqual(['a']);
  });

  it('starts anew when it is told to', () => {
    const since = new EmptySince(GRACE);
    since.due(empty({ a: 1 }), 0);
    since.startAnew('a');
    expect(since.due(empty({ a: 1 }), 100)).toEqual([]);
  });
});

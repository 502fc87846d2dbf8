import { describe, expect, it } from '@jest/globals';
import { judgeNode } from '../../../../src/commands/purge/own-node.ts';
import type { CatalogCheck, CatalogService, NodeContents } from '../../../../src/consul/types.ts';

const OWNER = { cluster: 'shop', clusterUid: 'uid-1' };
const MARKS = { 'managed-by': 'consular', 'k8s-cluster': 'shop' };
const NODE_MARKS = { ...MARKS, 'k8s-cluster-uid': 'uid-1' };
const POD = 'shop.apps.orders-1:orders:8080';

interface Stage {
  readonly name?: string;
  readonly meta?: Record<string, string>;
  readonly services?: readonly (readonly [id: string, meta: Record<string, string>])[];
  /** Each with the service that it is about. */
  readonly checks?: readonly (readonly [checkId: string, serviceId: string])[];
}

function nodeWith({ name = 'k8s-shop--a', meta = NODE_MARKS, services = [], checks = [] }: Stage): NodeContents {
  return {
    node: { name, address: '192.0.2.1', meta: new Map(Object.entries(meta)), modifyIndex: 7 },
    services: services.map(
      ([id, marks]) => ({ id, meta: new Map(Object.entries(marks)) }) as unknown as CatalogService,
    ),
    checks: checks.map(([checkId, serviceId]) => ({ checkId, serviceId }) as CatalogCheck),
    index: 9,
  };
}

const judge = (stage: Stage) => {
  const own = judgeNode(OWNER, nodeWith(stage));
  return own && { instances: own.instances.map(({ id }) => id), whyItStays: own.whyItStays };
};

describe('what a purge takes of a Consul node', () => {
  it('is the instance of a pod with our marks, and then the node', () => {
    const stage = { services: [[POD, MARKS]] as const, checks: [[POD, POD]] as const };
    expect(judge(stage)).toEqual({ instances: [POD], whyItStays: undefined });
    expect(judge({})).toEqual({ instances: [], whyItStays: undefined });
  });

  it("is Consular's own entry on the node of that, and no other entry there", () => {
    const name = 'k8s-shop';
    expect(judge({ name, services: [['consular-shop', MARKS]] })).toEqual({
      ...{ instances: ['consular-shop'], whyItStays: undefined },
    });
    expect(judge({ name, services: [[POD, MARKS]] })).toEqual({
      ...{ instances: [], whyItStays: expect.stringContaining(POD) as unknown },
    });
    expect(judge({ services: [['consular-shop', MARKS]] })).toMatchObject({ instances: [] });
  });

  it.each([
    ['another uid', { meta: { ...NODE_MARKS, 'k8s-cluster-uid': 'uid-2' } }],
    ['no uid', { meta: MARKS }],
    ['another cluster', { meta: { ...NODE_MARKS, 'k8s-cluster': 'store' } }],
    ['another maker', { meta: { ...NODE_MARKS, 'managed-by': 'somebody' } }],
    ['no marks', { meta: {} }],
    ['a name that we do not give', { name: 'vm-1' }],
    ['the name of another cluster', { name: 'k8s-shop-b--a' }],
    ['the name of no node', { name: 'k8s-shop--' }],
  ])('is nothing of a node with %s', (_, stage) => {
    expect(judge({ services: [[POD, MARKS]], ...stage })).toBeUndefined();
  });

  it.each([
    ['without marks', POD, {}],
    ['that another cluster made', POD, { ...MARKS, 'k8s-cluster': 'store' }],
    ['that another cluster named', 'store.apps.orders-1:orders:8080', MARKS],
    ['with an ID that we do not make', 'orders-1', MARKS],
  ])('is no instance %s, and the node stays with it', (_, id, meta) => {
    const found = judge({
      services: [
        [id, meta],
        ['shop.apps.b:b:1', MARKS],
      ],
    });
    expect(found).toEqual({
      ...{ instances: ['shop.apps.b:b:1'] },
      whyItStays: `there are instances on it without Consular's marks: ${id}`,
    });
  });

  it('is not the node while there is a check that is of nothing that goes', () => {
    const services = [[POD, MARKS]] as const;
    expect(judge({ services, checks: [['disk', '']] })?.whyItStays).toBe(
      "there is a check on it that is not Consular's: disk",
    );
    // Whoever adds a check to an instance of ours loses it with that.
    expect(judge({ services, checks: [['theirs', POD]] })?.whyItStays).toBeUndefined();
  });

  it('is nothing of a node that has an agent', () => {
    expect(judge({ services: [[POD, MARKS]], checks: [['serfHealth', '']] })).toEqual({
      ...{ instances: [], whyItStays: 'it belongs to an agent (it has a serfHealth check)' },
    });
  });

  it('names three of what others put there, and how many more there are', () => {
    const services = ['a', 'b', 'c', 'd', 'e'].map((id) => [id, {}] as const);
    expect(judge({ services })?.whyItStays).toMatch(/: a, b, c, and 2 more$/);
  });
});

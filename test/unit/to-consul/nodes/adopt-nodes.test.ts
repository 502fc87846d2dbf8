import { describe, expect, it } from '@jest/globals';
import { TransactionConflict } from '../../../../src/consul/errors.ts';
import type { CatalogNode } from '../../../../src/consul/types.ts';
import { adoptNodes } from '../../../../src/to-consul/nodes/adopt-nodes.ts';
import { nodeMeta } from '../../../../src/to-consul/registration/registration.ts';
import { owner, strings } from '../../builders.ts';
import { TestCommitter } from '../transactions.ts';

function node(name: string, meta: Readonly<Record<string, string>> = {}): CatalogNode {
  const theirs = { ...nodeMeta({ ...owner, clusterUid: 'uid-of-another' }), ...meta };
  return { name, address: '192.168.1.11', meta: strings(theirs), modifyIndex: 7 };
}

async function adopt(nodes: readonly CatalogNode[]) {
  const committer = new TestCommitter();
  const asked: string[] = [];
  const list = (key: string, value: string) => {
    asked.push(`${key}=${value}`);
    return Promise.resolve([...nodes]);
  };
  committer.onSent = (transaction) => transaction.commit();
  return { names: await adoptNodes({ nodes: { list }, committer, owner }), asked, sent: committer.sent };
}

describe('a node with our cluster name', () => {
  it('that was made for another Kubernetes cluster gets our uid, by its index, and keeps its address', async () => {
    const { names, asked, sent } = await adopt([node('k8s-prod--worker-1')]);
    expect(names).toEqual(['k8s-prod--worker-1']);
    expect(asked).toEqual(['k8s-cluster=prod']);
    expect(sent.flatMap(({ operations }) => operations)).toEqual([
      {
        Node: {
          Verb: 'cas',
          Node: { Node: 'k8s-prod--worker-1', Address: '192.168.1.11', Meta: nodeMeta(owner), ModifyIndex: 7 },
        },
      },
    ]);
  });

  it.each([
    ['that is ours already', { 'k8s-cluster-uid': owner.clusterUid }],
    ['that somebody else made', { 'managed-by': 'terraform' }],
  ])('%s stays as it is', async (_, meta) => {
    expect(await adopt([node('k8s-prod--worker-1', meta)])).toMatchObject({ names: [], sent: [] });
  });

  it('shares transactions of 63, one less than any Consul takes', async () => {
    const { names, sent } = await adopt(Array.from({ length: 130 }, (_, i) => node(`k8s-prod--worker-${i}`)));
    expect(sent.map(({ operations }) => operations.length)).toEqual([63, 63, 4]);
    expect(names).toHaveLength(130);
  });

  it('that changed meanwhile is an error: it is tried again', async () => {
    const conflict = new TransactionConflict([{ index: 0, what: 'index is stale' }]);
    const committer = { commit: () => Promise.reject(conflict) };
    const list = () => Promise.resolve([node('k8s-prod--worker-1')]);
    await expect(adoptNodes({ nodes: { list }, committer, owner })).rejects.toBe(conflict);
  });
});

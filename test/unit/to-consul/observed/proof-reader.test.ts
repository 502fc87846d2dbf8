import { describe, expect, it } from '@jest/globals';
import type { KubernetesObject } from '../../../../src/kubernetes/objects.ts';
import { createResources } from '../../../../src/kubernetes/resources.ts';
import { ProofReader, type Proof } from '../../../../src/to-consul/observed/proof-reader.ts';
import { marked, pod, service, slice } from '../../builders.ts';

const resources = createResources({ annotation: () => true });
const POD_KEY = 'shop/orders-7d4b9c6f5-abcde';
const OF_POD: Proof = { kind: 'Pod', namespace: 'shop', name: 'orders-7d4b9c6f5-abcde', uid: 'uid-of-pod' };
const OF_SERVICE: Proof = { kind: 'Service', namespace: 'shop', name: 'orders', uid: '' };
const OF_SLICES: Proof = { kind: 'EndpointSlice', namespace: 'shop', name: 'orders', uid: '' };

/** A Kubernetes with these objects; it says what was asked of it. */
function reader(...objects: readonly KubernetesObject[]) {
  return selecting('', objects, objects);
}

/** The same, with a selector that has the API server list only those. */
function selecting(selector: string, objects: readonly KubernetesObject[], selected: readonly KubernetesObject[]) {
  const asked: string[] = [];
  const cluster = { error: undefined as Error | undefined };
  const checkCluster = () => {
    asked.push('cluster');
    return cluster.error ? Promise.reject(cluster.error) : Promise.resolve();
  };
  const api = {
    get: (resource: { kind: string; read: unknown }, namespace: string, name: string) => {
      asked.push(`get ${resource.kind} ${namespace}/${name}`);
      return Promise.resolve(objects.find((object) => object.namespace === namespace && object.name === name) as never);
    },
    list: (resource: { kind: string }, namespace: string, labelSelector: string, name?: string) => {
      asked.push(`list ${resource.kind} ${namespace} ${labelSelector}${name === undefined ? '' : ` ${name}`}`);
      return Promise.resolve(selected as never);
    },
  };
  return { proofs: new ProofReader(api, resources, checkCluster, selector), asked, cluster };
}

describe('a direct read', () => {
  it.each<[string, Proof, KubernetesObject[], boolean]>([
    ['finds the pod', OF_POD, [pod()], true],
    ['does not take another pod of that name for it', OF_POD, [pod({ uid: 'uid-of-another' })], false],
    ['finds no pod', OF_POD, [], false],
    ['finds the Service, whatever its uid', OF_SERVICE, [service()], true],
    ['finds no Service', OF_SERVICE, [], false],
    ['finds a slice that targets the pod', OF_SLICES, [slice({ endpoints: [] }), slice()], true],
    ['finds no slice that targets the pod', OF_SLICES, [slice({ endpoints: [] })], false],
    ['does not take a slice of ours for a reason', OF_SLICES, [slice({ labels: marked() })], false],
  ])('%s', async (_, proof, objects, expected) => {
    expect(await reader(...objects).proofs.exists(POD_KEY, proof)).toBe(expected);
  });

  it('of the same slices for several pods at a time is one', async () => {
    const { proofs, asked } = reader(slice());
    const answers = await Promise.all([POD_KEY, 'shop/b', 'shop/c'].map((key) => proofs.exists(key, OF_SLICES)));
    expect([answers, asked]).toEqual([
      [true, false, false],
      ['list EndpointSlice shop kubernetes.io/service-name=orders', 'cluster', 'cluster'],
    ]);
    await proofs.exists('shop/d', OF_SLICES);
    expect(asked.filter((what) => what !== 'cluster').length).toBe(2);
  });

  it('that finds nothing counts only when the API server still answers for our cluster then', async () => {
    const { proofs, asked, cluster } = reader();
    cluster.error = new Error('another cluster');
    await expect(proofs.exists(POD_KEY, OF_POD)).rejects.toThrow('another cluster');
    expect(asked).toEqual([`get Pod ${POD_KEY}`, 'cluster']);
  });
});

describe('a direct read of a pod, where a selector says which pods count', () => {
  const GET = `get Pod ${POD_KEY}`;
  const LIST = 'list Pod shop team=shop orders-7d4b9c6f5-abcde';

  it.each<[string, KubernetesObject[], KubernetesObject[], boolean, string[]]>([
    ['finds one that the selector selects', [pod()], [pod()], true, [GET, LIST]],
    ['does not find one that is there without the labels', [pod()], [], false, [GET, LIST, 'cluster']],
    ['asks no more of one that is gone', [], [pod()], false, [GET, 'cluster']],
    [
      'does not take a later pod of that name for it',
      [pod()],
      [pod({ uid: 'uid-of-another' })],
      false,
      [GET, LIST, 'cluster'],
    ],
  ])('%s', async (_, objects, selected, exists, expected) => {
    const { proofs, asked } = selecting('team=shop', objects, selected);
    expect(await proofs.exists(POD_KEY, OF_POD)).toBe(exists);
    expect(asked).toEqual(expected);
  });

  it('asks of a Service only whether it is there', async () => {
    const { proofs, asked } = selecting('team=shop', [service()], []);
    expect(await proofs.exists(POD_KEY, OF_SERVICE)).toBe(true);
    expect(asked).toEqual(['get Service shop/orders']);
  });
});

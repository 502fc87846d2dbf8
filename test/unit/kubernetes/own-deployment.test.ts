import { describe, expect, it } from '@jest/globals';
import type { KubernetesRequest } from '../../../src/kubernetes/client.ts';
import { findDeployment } from '../../../src/kubernetes/own-deployment.ts';
import { refusal, Requester, type Said } from './requester.ts';

const POD = '/api/v1/namespaces/consular/pods/consular-5d9c-x2x7k';
const REPLICA_SET = '/apis/apps/v1/namespaces/consular/replicasets/consular-5d9c';

/** An object that has these owners; the first of them is its controller. */
const ownedBy = (...owners: [kind: string, name: string][]) => ({
  metadata: {
    ownerReferences: owners.map(([kind, name], i) => ({ kind, name, uid: `uid-${name}`, controller: i === 0 })),
  },
});

const find = (objects: Readonly<Record<string, Said>>) =>
  findDeployment(
    new Requester(({ path }: KubernetesRequest) => objects[path] ?? refusal(404)),
    'consular',
    'consular-5d9c-x2x7k',
  );

describe('the Deployment of a pod', () => {
  it('is the controller of its ReplicaSet, whatever its name', async () => {
    const objects = {
      [POD]: ownedBy(['ReplicaSet', 'consular-5d9c'], ['Thing', 'other']),
      [REPLICA_SET]: ownedBy(['Deployment', 'registrar']),
    };
    expect(await find(objects)).toEqual({ namespace: 'consular', name: 'registrar', uid: 'uid-registrar' });
  });

  it.each<[string, Readonly<Record<string, Said>>, string]>([
    [
      'a pod without an owner',
      { [POD]: {} },
      'get Pod consular/consular-5d9c-x2x7k: expected ReplicaSet as its controller, found none',
    ],
    [
      'a pod of a StatefulSet',
      { [POD]: ownedBy(['StatefulSet', 'consular']) },
      'expected ReplicaSet as its controller, found StatefulSet consular',
    ],
    [
      'a ReplicaSet that somebody made by hand',
      { [POD]: ownedBy(['ReplicaSet', 'consular-5d9c']), [REPLICA_SET]: {} },
      'get ReplicaSet consular/consular-5d9c: expected Deployment as its controller, found none',
    ],
  ])('is not found of %s', async (_, objects, message) => {
    await expect(find(objects)).rejects.toThrow(message);
  });

  it('is not found without the right to ReplicaSets', async () => {
    const objects = { [POD]: ownedBy(['ReplicaSet', 'consular-5d9c']), [REPLICA_SET]: refusal(403) };
    await expect(find(objects)).rejects.toThrow('403');
  });
});

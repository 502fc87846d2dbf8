import { arrayField, booleanField, expectObject, objectField, stringField, type JsonObject } from '../json.ts';
import type { KubernetesRequester } from './client.ts';
import { describePurpose, type Purpose } from './errors.ts';
import type { KubernetesObject } from './objects.ts';

/** What an Event about a Deployment has to name. */
export const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment' } as const;

/**
 * The Deployment that a pod belongs to, by the owner references of the pod and of its ReplicaSet: so no name is assumed, and
 * the Deployment itself need not be read.
 * @throws KubernetesError when one of both may not be read; Error when the pod belongs to no Deployment
 */
export async function findDeployment(
  client: KubernetesRequester,
  namespace: string,
  podName: string,
): Promise<Pick<KubernetesObject, 'namespace' | 'name' | 'uid'>> {
  const ownerOf = async (path: string, kind: string, name: string, wanted: string) => {
    const purpose: Purpose = { verb: 'get', kind, object: `${namespace}/${name}` };
    const object = expectObject(await client.request({ purpose, path: `${path}/${encodeURIComponent(name)}` }), kind);
    const owner = controllerOf(object);
    if (owner && stringField(owner, 'kind') === wanted) return owner;
    const found = owner ? `${stringField(owner, 'kind')} ${stringField(owner, 'name')}` : 'none';
    throw new Error(`${describePurpose(purpose)}: expected ${wanted} as its controller, found ${found}`);
  };
  const inNamespace = `namespaces/${encodeURIComponent(namespace)}`;
  const replicaSet = await ownerOf(`/api/v1/${inNamespace}/pods`, 'Pod', podName, 'ReplicaSet');
  const name = stringField(replicaSet, 'name');
  const deployment = await ownerOf(`/apis/apps/v1/${inNamespace}/replicasets`, 'ReplicaSet', name, 'Deployment');
  return { namespace, name: stringField(deployment, 'name'), uid: stringField(deployment, 'uid') };
}

function controllerOf(object: JsonObject): JsonObject | undefined {
  const owners = arrayField(objectField(object, 'metadata'), 'ownerReferences');
  return owners
    .map((owner) => expectObject(owner, 'owner reference'))
    .find((owner) => booleanField(owner, 'controller'));
}

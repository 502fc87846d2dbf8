import type { KubernetesPlane } from '../control-plane/index.ts';

/** What of a Kubernetes a rig needs; all of it is text. */
export type Plane = Pick<KubernetesPlane, 'server' | 'caFile' | 'adminToken' | 'kubeconfig'>;

/**
 * The Kubernetes of this Jest worker. Its test files run one after the other and each takes namespaces of its own; those of
 * another worker have another Kubernetes. The global set-up starts it when the first of them asks.
 */
export async function sharedPlane(): Promise<Plane> {
  const { CONSULAR_TEST_PLANES: address, JEST_WORKER_ID: worker } = process.env;
  if (address === undefined || worker === undefined)
    throw new Error('open a rig: expected the global set-up of the integration tests to have run, found nothing of it');
  const response = await fetch(`${address}/${worker}`);
  if (!response.ok)
    throw new Error(`start Kubernetes for Jest worker ${worker}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Plane;
}

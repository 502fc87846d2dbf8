import type { KubernetesApi } from './kubernetes.ts';
import { until } from './until.ts';

/** A Deployment of one pod, which Kubernetes makes by a ReplicaSet and nobody starts. @returns the name of the pod */
export async function createDeployment(kubernetes: KubernetesApi, namespace: string, name: string): Promise<string> {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app' }] } };
  await kubernetes.must('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, {
    metadata: { name, labels },
    spec: { replicas: 1, selector: { matchLabels: labels }, template },
  });
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3D${name}`;
  return until('its pod', async () => (await kubernetes.list(path))[0]?.metadata.name);
}

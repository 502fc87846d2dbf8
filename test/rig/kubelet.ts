import type { KubernetesApi, Manifest } from './kubernetes.ts';

/** How often pods are looked at. */
const LOOK_MS = 200;

/**
 * Stands in for scheduler and kubelet of a namespace: each pod comes to a node, is Ready once, and is gone when it is deleted.
 * @returns what ends it
 */
export function startKubelet(kubernetes: KubernetesApi, namespace: string): { stop: () => Promise<void> } {
  const started = new Set<string>();
  let isOver = false;
  const working = (async () => {
    while (!isOver) {
      const pods = await kubernetes.list(`/api/v1/namespaces/${namespace}/pods`);
      await Promise.all(pods.map((pod) => attend(kubernetes, namespace, pod, started)));
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await working;
    },
  };
}

/** A rollout may take the pod away meanwhile. */
async function attend(
  kubernetes: KubernetesApi,
  namespace: string,
  { metadata, spec }: Manifest,
  started: Set<string>,
): Promise<void> {
  const { name, uid = '', deletionTimestamp } = metadata;
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  try {
    if (deletionTimestamp !== undefined) {
      await kubernetes.must('DELETE', path, { gracePeriodSeconds: 0 });
    } else if (!started.has(uid)) {
      const { nodeName } = spec as { nodeName?: string };
      const target = { apiVersion: 'v1', kind: 'Node', name: 'node-1' };
      if (nodeName === undefined) await kubernetes.must('POST', `${path}/binding`, { metadata: { name }, target });
      await kubernetes.setPodStatus(namespace, name);
      started.add(uid);
    }
  } catch (error) {
    if (await kubernetes.find(path)) throw error;
  }
}

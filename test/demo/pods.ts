import type { KubernetesApi } from '../rig/kubernetes.ts';

/** A Kubernetes node without a kubelet: the demo writes the status of its pods. */
export interface DemoNode {
  readonly name: string;
  readonly address: string;
  readonly zone: string;
}

export interface DemoPod {
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
  readonly node: DemoNode;
}

export const NODES = [
  { name: 'worker-1', address: '10.10.0.1', zone: 'zone-a' },
  { name: 'worker-2', address: '10.10.0.2', zone: 'zone-b' },
] as const satisfies readonly DemoNode[];

export const NAMESPACE = 'default';
export const POD_SERVICE = 'istio-client';
export const POD_PORT = 8080;
export const POD_TAGS = ['demo', 'istio'];
const ANNOTATIONS = {
  'consular.dev/service-name': POD_SERVICE,
  'consular.dev/service-tags': POD_TAGS.join(','),
  'consular.dev/service-meta-version': 'v1',
};

export async function createNodes(kubernetes: KubernetesApi): Promise<void> {
  await Promise.all(
    NODES.map(({ name, zone }) => kubernetes.createNode(name, { 'topology.kubernetes.io/zone': zone })),
  );
}

/** An annotated pod that runs and is not Ready yet. */
export async function createPod(kubernetes: KubernetesApi, number: number): Promise<DemoPod> {
  const name = `${POD_SERVICE}-${number}`;
  const node = number % 2 === 0 ? NODES[1] : NODES[0];
  const ip = `10.42.0.${10 + number}`;
  const ports = [{ name: 'http', containerPort: POD_PORT }];
  const { metadata } = await kubernetes.createPod(NAMESPACE, name, {
    ...{ ip, ports, node: node.name, hostIP: node.address },
    annotations: ANNOTATIONS,
    ready: false,
  });
  return { name, uid: metadata.uid ?? '', ip, node };
}

/** As `kubectl delete pod` does: the pod is there, being deleted, until its kubelet says that its containers ended. */
export async function beginDeletion(kubernetes: KubernetesApi, pod: DemoPod): Promise<void> {
  await kubernetes.must('DELETE', `/api/v1/namespaces/${NAMESPACE}/pods/${pod.name}`, { gracePeriodSeconds: 30 });
}

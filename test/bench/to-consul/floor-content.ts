/** A pod as the API server has it in JSON, as far as the floor looks into it. */
export interface Pod {
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    deletionTimestamp?: string;
    annotations?: Record<string, string>;
  };
  spec: { nodeName?: string };
  status: {
    podIP?: string;
    hostIP?: string;
    conditions?: { type: string; status: string; lastTransitionTime?: string }[];
  };
}

const PORT = 8080;

/**
 * What the floor writes of a pod: the same node, instance, meta, check and texts as Consular, so that what Consul does
 * with them costs it the same.
 */
export function contentOf(pod: Pod, service: string, nodeName: string) {
  const { namespace, name, uid } = pod.metadata;
  const Node = `k8s-floor--${nodeName}`;
  const id = `floor.${namespace}.${name}:${service}:${PORT}`;
  const since = pod.status.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime ?? '';
  return {
    id,
    node: { Node, Address: pod.status.hostIP ?? '127.0.0.1', Meta: nodeMeta() },
    service: {
      ...{ ID: id, Service: service, Address: pod.status.podIP, Port: PORT, Tags: [] },
      Meta: instanceMeta(pod, nodeName),
      Weights: { Passing: 1, Warning: 1 },
    },
    check: {
      ...{ Node, CheckID: id, Name: 'Kubernetes readiness', Type: 'kubernetes', Status: 'passing' },
      Notes: `Pod ${namespace}/${name} (uid ${uid}) on node ${nodeName}; registered by the floor because of its annotations`,
      Output: `Pod is Ready since ${since}`,
      ...{ ServiceID: id, ServiceName: service },
    },
  };
}

function nodeMeta(): object {
  return {
    'external-source': 'kubernetes',
    'external-node': 'true',
    'external-probe': 'false',
    'managed-by': 'the-floor',
    'k8s-cluster': 'floor',
    'k8s-cluster-uid': '00000000-0000-0000-0000-000000000000',
  };
}

function instanceMeta({ metadata }: Pod, nodeName: string): object {
  return {
    secure: 'false',
    'external-source': 'kubernetes',
    'managed-by': 'the-floor',
    'k8s-cluster': 'floor',
    'k8s-namespace': metadata.namespace,
    'k8s-pod': metadata.name,
    'k8s-pod-uid': metadata.uid,
    'k8s-node': nodeName,
  };
}

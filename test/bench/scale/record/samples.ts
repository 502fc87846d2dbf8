import type { KubernetesApi } from '../../../rig/kubernetes.ts';
import { until } from '../../../rig/until.ts';
import { inParallel } from '../../parallel.ts';
import {
  FIRST_SAMPLE_NODE,
  FIRST_SAMPLE_POD,
  FIRST_SAMPLE_SERVICE,
  NAMESPACE,
  nodeIP,
  nodeName,
  podIP,
  podName,
  SAMPLE_SIZES,
  serviceIP,
  serviceName,
} from '../names.ts';

export interface SamplePod {
  readonly name: string;
  readonly ip: string;
  readonly node: string;
  readonly nodeIP: string;
  readonly uid: string;
}

/** A service with that many pods, made in the real cluster to be recorded. */
export interface Sample {
  readonly service: string;
  readonly serviceIP: string;
  readonly serviceUid: string;
  readonly sliceUid: string;
  readonly pods: readonly SamplePod[];
}

/** Ready pods of services of each size, with their nodes; returns when the controller has made the slices. */
export async function createSamples(kubernetes: KubernetesApi): Promise<Sample[]> {
  const nodes = Array.from({ length: Math.max(...SAMPLE_SIZES) }, (_, i) => FIRST_SAMPLE_NODE + i);
  await inParallel(nodes, async (node) => {
    await kubernetes.createNode(nodeName(node));
    await kubernetes.setNodeAddresses(nodeName(node), [{ type: 'InternalIP', address: nodeIP(node) }]);
  });
  const samples: Sample[] = [];
  let pod = FIRST_SAMPLE_POD;
  for (const [i, size] of SAMPLE_SIZES.entries()) {
    samples.push(await createSample(kubernetes, FIRST_SAMPLE_SERVICE + i, pod, size));
    pod += size;
  }
  return samples;
}

async function createSample(kubernetes: KubernetesApi, index: number, firstPod: number, size: number): Promise<Sample> {
  const service = serviceName(index);
  const pods: SamplePod[] = [];
  await inParallel([...Array(size).keys()], async (i) => {
    const [ip, node, hostIP] = [podIP(firstPod + i), nodeName(FIRST_SAMPLE_NODE + i), nodeIP(FIRST_SAMPLE_NODE + i)];
    const options = {
      ip,
      node,
      hostIP,
      labels: { app: service },
      annotations: { 'consular.dev/service-name': service },
    };
    const { metadata } = await kubernetes.createPod(NAMESPACE, podName(firstPod + i), options);
    pods.push({ name: metadata.name, ip, node, nodeIP: hostIP, uid: metadata.uid ?? '' });
  });
  pods.sort((a, b) => (a.name < b.name ? -1 : 1));
  const { metadata } = await kubernetes.must('POST', `/api/v1/namespaces/${NAMESPACE}/services`, {
    metadata: { name: service },
    spec: {
      ...{ selector: { app: service }, clusterIP: serviceIP(index) },
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    },
  });
  const sliceUid = await untilSliced(kubernetes, service, size);
  return { service, serviceIP: serviceIP(index), serviceUid: metadata.uid ?? '', sliceUid, pods };
}

async function untilSliced(kubernetes: KubernetesApi, service: string, pods: number): Promise<string> {
  const path = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices?labelSelector=kubernetes.io/service-name=${service}`;
  return until(`an EndpointSlice of ${service} with ${pods} ready endpoints`, async () => {
    const slices = await kubernetes.list(path);
    const endpoints = slices.flatMap((slice) => (slice.endpoints ?? []) as { conditions: { ready: boolean } }[]);
    const ready = endpoints.filter(({ conditions }) => conditions.ready);
    return ready.length === pods && slices.length === 1 ? slices[0]?.metadata.uid : undefined;
  });
}

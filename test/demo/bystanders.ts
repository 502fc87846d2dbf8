import { eventually, verify } from './eventually.ts';
import { NAMESPACE, NODES } from './pods.ts';
import type { Stage } from './stage.ts';

/** A Service with a pod that nobody asked Consular to look at, and Consul itself: neither may ever change. */
export interface Bystanders {
  verifyUntouched(): Promise<void>;
}

export const BYSTANDER = 'payments';
const PATHS = [
  `/api/v1/namespaces/${NAMESPACE}/pods/${BYSTANDER}-1`,
  `/api/v1/namespaces/${NAMESPACE}/services/${BYSTANDER}`,
  `/api/v1/namespaces/${NAMESPACE}/endpoints/${BYSTANDER}`,
];
const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D${BYSTANDER}`;

export async function createBystanders({ kubernetes, consul }: Stage): Promise<Bystanders> {
  const labels = { app: BYSTANDER };
  const [node] = NODES;
  await kubernetes.must('POST', `/api/v1/namespaces/${NAMESPACE}/services`, {
    metadata: { name: BYSTANDER },
    spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
  });
  const ip = '10.42.0.200';
  await kubernetes.createPod(NAMESPACE, `${BYSTANDER}-1`, { labels, ip, node: node.name, hostIP: node.address });
  await eventually(`endpoints of Service ${BYSTANDER}`, readAddresses, [ip, ip]);
  const before = await read();
  return { verifyUntouched: () => verify('what is foreign to Consular, untouched', read, before) };

  /** As Kubernetes' own controllers write them, in v1 Endpoints and in the slices. */
  async function readAddresses(): Promise<string[]> {
    const endpoints = await kubernetes.find(`/api/v1/namespaces/${NAMESPACE}/endpoints/${BYSTANDER}`);
    const subsets = (endpoints?.subsets ?? []) as { addresses?: { ip: string }[] }[];
    const slices = (await kubernetes.list(SLICES)) as unknown as { endpoints: Target[] }[];
    return [
      ...subsets.flatMap(({ addresses }) => (addresses ?? []).map((address) => address.ip)),
      ...slices.flatMap(({ endpoints: targets }) =>
        targets.filter(({ conditions }) => conditions.ready).flatMap(({ addresses }) => addresses),
      ),
    ];
  }

  /** Whole objects with their versions: any write at all shows. */
  async function read(): Promise<unknown[]> {
    return Promise.all([
      ...PATHS.map((path) => kubernetes.find(path)),
      kubernetes.list(SLICES),
      consul.must('GET', '/catalog/service/consul'),
    ]);
  }
}

interface Target {
  readonly addresses: readonly string[];
  readonly conditions: { readonly ready: boolean };
}

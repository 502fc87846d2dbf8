import type { KubernetesApi, Manifest } from './kubernetes.ts';

export interface SliceManifest extends Manifest {
  readonly addressType: string;
  readonly ports: { name?: string; port: number; protocol: string; appProtocol?: string }[] | null;
  readonly endpoints: { addresses: string[]; conditions: { ready?: boolean } }[] | null;
}

/** One namespace as somebody who owns Services there uses it. */
export function servicesIn(kubernetes: KubernetesApi, namespace: string) {
  const services = `/api/v1/namespaces/${namespace}/services`;
  const endpointSlices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const find = (name: string) => kubernetes.find(`${services}/${name}`);

  async function slices(name: string): Promise<SliceManifest[]> {
    const selector = `labelSelector=kubernetes.io/service-name%3D${name}`;
    return (await kubernetes.list(`${endpointSlices}?${selector}`)) as SliceManifest[];
  }
  const isOurs = ({ metadata }: Manifest) => metadata.labels?.['app.kubernetes.io/managed-by'] === 'consular';

  return {
    find,
    slices,
    ourSlices: async (name: string) => (await slices(name)).filter(isOurs),
    /** What the slices of a Service lead to: `port name=address:port`, those of ours with a plus in front. */
    async endpoints(name: string): Promise<string[]> {
      const lines = (await slices(name)).flatMap((slice) =>
        (slice.endpoints ?? []).flatMap(({ addresses }) =>
          (slice.ports ?? []).map(
            ({ name = '', port }) => `${isOurs(slice) ? '+' : ''}${name}=${addresses.join()}:${port}`,
          ),
        ),
      );
      return lines.sort();
    },
    create: (name: string, annotations: Record<string, string>, spec: object = {}) =>
      kubernetes.must('POST', services, {
        metadata: { name, annotations },
        spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
      }),
    annotate: (name: string, annotations: Record<string, string | null>) =>
      kubernetes.must('PATCH', `${services}/${name}`, { metadata: { annotations } }),
    patch: (name: string, body: object) => kubernetes.must('PATCH', `${services}/${name}`, body),
    remove: (name: string) => kubernetes.must('DELETE', `${services}/${name}`),
    createSlice: (name: string, service: string, addresses: readonly string[], port: number) =>
      kubernetes.must('POST', endpointSlices, {
        metadata: { name, labels: { 'kubernetes.io/service-name': service } },
        addressType: 'IPv4',
        ports: [{ name: 'http', port, protocol: 'TCP' }],
        endpoints: addresses.map((address) => ({ addresses: [address] })),
      }),
    patchSlice: (name: string, body: object) => kubernetes.must('PATCH', `${endpointSlices}/${name}`, body),
    removeSlice: (name: string) => kubernetes.must('DELETE', `${endpointSlices}/${name}`),
    events: async (name: string) => (await kubernetes.eventsAbout(namespace, name)).map(({ reason }) => reason),
  };
}

import { SERVICE_NAME_LABEL, type Service } from '../kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../reconcile/mark.ts';
import type { DesiredEndpoints, DesiredService, DesiredSlice } from './desired.ts';
import type { ImportedSlice } from './imports/slices.ts';

/** An object as it is sent to the API server; its name and namespace are the writer's to add. */
export interface Body {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly addressType?: string;
}
type Labels = Readonly<Record<string, string>>;

/** No blockOwnerDeletion: that would need rights on finalizers of Services. */
export function ownerReference(service: Service | undefined, namespace: string, name: string): object {
  if (!service)
    throw new Error(
      `write EndpointSlices of Service ${namespace}/${name}: expected the Service in the view, found none`,
    );
  return { apiVersion: 'v1', kind: 'Service', name: service.name, uid: service.uid };
}

export function serviceBody(labels: Labels, { consulService, ports }: DesiredService) {
  const annotations = { [ANNOTATION.consulService]: consulService, [ANNOTATION.consulK8sSync]: 'false' };
  return {
    metadata: { labels, annotations },
    // selector null: somebody may have added one, which would make the endpoints controller overwrite our Endpoints.
    spec: { type: 'ClusterIP', selector: null, ports: ports.map((port) => withoutEmpty(port)) },
  };
}

export function sliceBody(
  labels: Labels,
  { consulService, serviceName, addressType, ports, endpoints }: DesiredSlice,
  owner: object,
) {
  return {
    metadata: {
      labels: { ...labels, [SERVICE_NAME_LABEL]: serviceName, [LABEL.sliceManagedBy]: SLICE_MANAGER },
      annotations: { [ANNOTATION.consulService]: consulService },
      ownerReferences: [owner],
    },
    addressType,
    ports: ports.map((port) => withoutEmpty(port)),
    // All three conditions, always: Istio reads an absent `terminating` as true when `ready` is false.
    endpoints: endpoints.map(({ address, zone }) =>
      withoutEmpty({ addresses: [address], conditions: { ready: true, serving: true, terminating: false }, zone }),
    ),
  };
}

/** The same on a Service that is somebody else's: another mark, so that it is not taken for a mirrored Service's. */
export function importedSliceBody(labels: Labels, desired: ImportedSlice, owner: object) {
  const { metadata, ...body } = sliceBody(labels, desired, owner);
  return {
    ...body,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, ...(desired.headless ? { [LABEL.headless]: '' } : {}) },
      annotations: { [ANNOTATION.importedFrom]: desired.consulService },
    },
  };
}

export function endpointsBody(labels: Labels, { consulService, subsets }: DesiredEndpoints, owner: object) {
  return {
    // Our slices say the same already: mirroring these Endpoints too would double every address.
    metadata: {
      labels: { ...labels, 'endpointslice.kubernetes.io/skip-mirror': 'true' },
      annotations: { [ANNOTATION.consulService]: consulService },
      ownerReferences: [owner],
    },
    subsets: subsets.map(({ addresses, ports }) => ({
      addresses: addresses.map((ip) => ({ ip })),
      ports: ports.map((port) => withoutEmpty(port)),
    })),
  };
}

function withoutEmpty(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));
}

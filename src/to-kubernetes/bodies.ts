import {
  MULTICLUSTER_SERVICE_LABEL,
  SERVICE_NAME_LABEL,
  type Service,
  type WorkloadEntry,
} from '../kubernetes/objects.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../reconcile/mark.ts';
import type { DesiredEndpoints, DesiredService, DesiredSlice } from './desired.ts';
import type { ImportedSlice } from './imports/slices.ts';
import { outdatedLabels, workloadSelector, type DesiredWorkloadEntry } from './workload-entries.ts';

/** An object as it is sent to the API server; its name and namespace are the writer's to add. */
export interface Body {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly addressType?: string;
}
type Labels = Readonly<Record<string, string>>;

/** No blockOwnerDeletion: that would need rights on finalizers of Services. */
export function ownerReference(service: Service | undefined, namespace: string, name: string): object {
  if (!service)
    throw new Error(`write what belongs to Service ${namespace}/${name}: expected it in the view, found none`);
  return { apiVersion: 'v1', kind: 'Service', name: service.name, uid: service.uid };
}

export function serviceBody(labels: Labels, { name, consulService, mode, ports }: DesiredService) {
  const annotations = { [ANNOTATION.consulService]: consulService, [ANNOTATION.consulK8sSync]: 'false' };
  return {
    metadata: { labels, annotations },
    spec: {
      type: 'ClusterIP',
      // null: somebody may have added one, which would make the endpoints controller overwrite our Endpoints.
      selector: mode === 'istio' ? workloadSelector(name) : null,
      ports: ports.map((port) => withoutEmpty(port)),
    },
  };
}

export function sliceBody(
  labels: Labels,
  { consulService, serviceName, addressType, passedOver, ports, endpoints }: DesiredSlice,
  owner: object,
) {
  return {
    metadata: {
      labels: {
        ...labels,
        [SERVICE_NAME_LABEL]: serviceName,
        [LABEL.sliceManagedBy]: SLICE_MANAGER,
        // Empty, so that it is the name of no ServiceImport: that it is there is all that Istio looks at.
        ...(passedOver ? { [MULTICLUSTER_SERVICE_LABEL]: '' } : {}),
      },
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

/** @param observed the entry as it is, when there is one: a merge patch takes away only what it mentions */
export function workloadEntryBody(
  labels: Labels,
  desired: DesiredWorkloadEntry,
  owner: object,
  observed?: WorkloadEntry,
) {
  const { consulService, address, ports, locality, weight } = desired;
  const gone = observed ? Object.fromEntries(outdatedLabels(desired, observed).map((key) => [key, null])) : {};
  const portsGone = observed ? [...observed.ports.keys()].filter((name) => !ports.has(name)) : [];
  const nothing = observed ? null : undefined;
  const ofWorkload = Object.fromEntries(desired.labels);
  return {
    metadata: {
      // Versions of Istio differ in which of the two places they read.
      labels: { ...gone, ...ofWorkload, ...labels },
      annotations: { [ANNOTATION.consulService]: consulService },
      ownerReferences: [owner],
    },
    spec: {
      address,
      ports: { ...Object.fromEntries(portsGone.map((name) => [name, null])), ...Object.fromEntries(ports) },
      labels: { ...gone, ...ofWorkload },
      locality: locality === '' ? nothing : locality,
      weight: weight === 1 ? nothing : weight,
    },
  };
}

function withoutEmpty(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));
}

import { isObject } from '../json.ts';
import {
  MULTICLUSTER_SERVICE_LABEL,
  SERVICE_NAME_LABEL,
  type Service,
  type WorkloadEntry,
} from '../kubernetes/objects.ts';
import type { PatchBody } from '../kubernetes/write.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../reconcile/mark.ts';
import type { DesiredEndpoint, DesiredEndpoints, DesiredService, DesiredSlice } from './desired.ts';
import type { ImportedSlice } from './imports/slices.ts';
import { writeHosts } from './slice-hosts.ts';
import { outdatedLabels, workloadSelector, type DesiredWorkloadEntry } from './workload-entries.ts';

/** An object as it is sent to the API server; its name and namespace are the writer's to add. */
export interface Body {
  /** A label or annotation that is null must not be there. */
  readonly metadata: {
    readonly labels: Readonly<Record<string, string | null>>;
    readonly annotations: Readonly<Record<string, string | null>>;
    readonly ownerReferences?: readonly object[];
  };
  /** What is written when the object is made, and when it changes. */
  readonly fields: Fields;
  /** What cannot be changed later. */
  readonly immutable: Fields;
}
type Fields = Readonly<Record<string, unknown>>;
type Labels = Readonly<Record<string, string>>;

export function toCreate({ metadata, fields, immutable }: Body, namespace: string, name: string): object {
  const { labels, annotations, ...rest } = metadata;
  const isThere = ([, value]: [string, string | null]) => value !== null;
  return {
    metadata: {
      ...{ namespace, name, ...rest },
      labels: Object.fromEntries(Object.entries(labels).filter(isThere)),
      annotations: Object.fromEntries(Object.entries(annotations).filter(isThere)),
    },
    ...fields,
    ...Object.fromEntries(
      Object.entries(immutable).map(([key, value]) => {
        const mutable = fields[key];
        return [key, isObject(mutable) && isObject(value) ? { ...mutable, ...value } : value];
      }),
    ),
  };
}

export function toPatch({ metadata, fields }: Body): PatchBody {
  return { metadata, ...fields };
}

/** No blockOwnerDeletion: that would need rights on finalizers of Services. */
export function ownerReference(service: Service | undefined, namespace: string, name: string): object {
  if (!service)
    throw new Error(`write what belongs to Service ${namespace}/${name}: expected it in the view, found none`);
  return { apiVersion: 'v1', kind: 'Service', name: service.name, uid: service.uid };
}

export function serviceBody(
  labels: Labels,
  { name, consulService, mode, portChoice, shape, ports }: DesiredService,
): Body {
  const annotations = {
    [ANNOTATION.consulService]: consulService,
    [ANNOTATION.portChoice]: portChoice,
    [ANNOTATION.consulK8sSync]: 'false',
  };
  const { headless, onlyFamily, dualStack } = shape;
  return {
    metadata: { labels, annotations },
    fields: {
      spec: {
        type: 'ClusterIP',
        // null: somebody may have added one, which would make the endpoints controller overwrite our Endpoints.
        selector: mode === 'istio' ? workloadSelector(name) : null,
        ports: ports.map((port) => withoutEmpty(port)),
        ...(dualStack ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
      },
    },
    immutable: {
      spec: {
        ...(headless ? { clusterIP: 'None' } : {}),
        ...(onlyFamily ? { ipFamilies: [onlyFamily] } : {}),
      },
    },
  };
}

export function sliceBody(
  labels: Labels,
  { consulService, serviceName, headless, addressType, passedOver, ports, endpoints }: DesiredSlice,
  owner: object,
): Body {
  return {
    metadata: {
      labels: {
        ...labels,
        [SERVICE_NAME_LABEL]: serviceName,
        [LABEL.sliceManagedBy]: SLICE_MANAGER,
        // kube-proxy passes over slices that have it.
        [LABEL.headless]: headless ? '' : null,
        // Empty, so that it is the name of no ServiceImport: that it is there is all that Istio looks at.
        ...(passedOver ? { [MULTICLUSTER_SERVICE_LABEL]: '' } : {}),
      },
      annotations: { [ANNOTATION.consulService]: consulService, [ANNOTATION.hosts]: writeHosts(endpoints) },
      ownerReferences: [owner],
    },
    fields: {
      ports: ports.map((port) => withoutEmpty(port)),
      ...endpointsField(endpoints),
    },
    immutable: { addressType },
  };
}

/** What a slice has, whatever else is in it. */
export function endpointsField(endpoints: readonly Pick<DesiredEndpoint, 'address' | 'zone'>[]) {
  return {
    // All three conditions, always: Istio reads an absent `terminating` as true when `ready` is false.
    endpoints: endpoints.map(({ address, zone }) =>
      withoutEmpty({ addresses: [address], conditions: { ready: true, serving: true, terminating: false }, zone }),
    ),
  };
}

/** The same on a Service that is somebody else's: another mark, so that it is not taken for a mirrored Service's. */
export function importedSliceBody(labels: Labels, desired: ImportedSlice, owner: object): Body {
  const { metadata, ...body } = sliceBody(labels, desired, owner);
  const annotations = {
    [ANNOTATION.importedFrom]: desired.consulService,
    [ANNOTATION.hosts]: writeHosts(desired.endpoints),
  };
  return { ...body, metadata: { ...metadata, annotations } };
}

export function endpointsBody(
  labels: Labels,
  { consulService, headless, subsets, truncated }: DesiredEndpoints,
  owner: object,
): Body {
  return {
    metadata: {
      // Our slices say the same already: mirroring these Endpoints too would double every address.
      labels: { ...labels, [LABEL.skipMirror]: 'true', [LABEL.headless]: headless ? '' : null },
      annotations: {
        [ANNOTATION.consulService]: consulService,
        [ANNOTATION.overCapacity]: truncated ? 'truncated' : null,
      },
      ownerReferences: [owner],
    },
    fields: {
      subsets: subsets.map(({ addresses, ports }) => ({
        addresses: addresses.map((ip) => ({ ip })),
        ports: ports.map((port) => withoutEmpty(port)),
      })),
    },
    immutable: {},
  };
}

/** @param observed the entry as it is, when there is one: a merge patch takes away only what it mentions */
export function workloadEntryBody(
  labels: Labels,
  desired: DesiredWorkloadEntry,
  owner: object,
  observed?: WorkloadEntry,
) {
  const { consulService, address, ports, locality, weight, serviceAccount } = desired;
  const gone = observed ? Object.fromEntries(outdatedLabels(desired, observed).map((key) => [key, null])) : {};
  const portsGone = observed ? [...observed.ports.keys()].filter((name) => !ports.has(name)) : [];
  const nothing = observed ? null : undefined;
  const ofWorkload = Object.fromEntries(desired.labels);
  return {
    metadata: {
      // Versions of Istio differ in which of the two places they read.
      labels: { ...gone, ...ofWorkload, ...labels },
      annotations: { [ANNOTATION.consulService]: consulService, [ANNOTATION.hosts]: writeHosts([desired]) },
      ownerReferences: [owner],
    },
    fields: {
      spec: {
        address,
        ports: { ...Object.fromEntries(portsGone.map((name) => [name, null])), ...Object.fromEntries(ports) },
        labels: { ...gone, ...ofWorkload },
        locality: locality === '' ? nothing : locality,
        weight: weight === 1 ? nothing : weight,
        serviceAccount: serviceAccount === '' ? nothing : serviceAccount,
      },
    },
    immutable: {},
  };
}

function withoutEmpty(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));
}

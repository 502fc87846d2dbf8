import { isObject } from '../json.ts';
import { SERVICE_NAME_LABEL, type Service } from '../kubernetes/objects.ts';
import type { PatchBody } from '../kubernetes/write.ts';
import { ANNOTATION, LABEL, SLICE_MANAGER } from '../reconcile/mark.ts';
import type { DesiredEndpoints, DesiredService, DesiredSlice } from './desired.ts';
import { writeHosts } from './slice-hosts.ts';

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
    throw new Error(
      `write EndpointSlices of Service ${namespace}/${name}: expected the Service in the view, found none`,
    );
  return { apiVersion: 'v1', kind: 'Service', name: service.name, uid: service.uid };
}

export function serviceBody(labels: Labels, { consulService, portChoice, shape, ports }: DesiredService): Body {
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
        // Somebody may have added one, which would make the endpoints controller overwrite our Endpoints.
        selector: null,
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
  { consulService, serviceName, headless, addressType, ports, endpoints }: DesiredSlice,
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
      },
      annotations: { [ANNOTATION.consulService]: consulService, [ANNOTATION.hosts]: writeHosts(endpoints) },
      ownerReferences: [owner],
    },
    fields: {
      ports: ports.map((port) => withoutEmpty(port)),
      // All three conditions, always: Istio reads an absent `terminating` as true when `ready` is false.
      endpoints: endpoints.map(({ address, zone }) =>
        withoutEmpty({ addresses: [address], conditions: { ready: true, serving: true, terminating: false }, zone }),
      ),
    },
    immutable: { addressType },
  };
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

function withoutEmpty(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));
}

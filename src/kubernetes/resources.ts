import { expectObject } from '../json.ts';
import { jsonMessage, type Encoded } from './encoding/message.ts';
import { endpointsDecoder, endpointSliceDecoder } from './kinds/endpoints.ts';
import { metadataDecoder, type Keep } from './kinds/metadata.ts';
import { nodeDecoder } from './kinds/node.ts';
import { podDecoder } from './kinds/pod.ts';
import { serviceCIDRDecoder } from './kinds/service-cidr.ts';
import { serviceDecoder } from './kinds/service.ts';
import { workloadEntryDecoder } from './kinds/workload-entry.ts';
import type { KubernetesObject, WorkloadEntry } from './objects.ts';

/**
 * A kind as the reflector and the writers need it: where it lives and how its encoded form becomes the trimmed object.
 * The decoders are in kinds/, one table of fields for both encodings.
 */
export interface Resource<T extends KubernetesObject> {
  readonly kind: string;
  readonly apiVersion: string;
  /** Plural name in paths. */
  readonly plural: string;
  /** False for kinds that the API server has in JSON only: custom resources. */
  readonly hasProtobuf: boolean;
  /** @throws TypeError when it is no object of this kind at all (no name, no uid), or no proper protobuf. */
  readonly read: (object: Encoded) => T;
  /** The same of parsed JSON. */
  readonly decode: (raw: unknown) => T;
}

/** Path of all objects, of one namespace's, or of one object. */
export function pathOf(resource: Resource<KubernetesObject>, namespace = '', name = ''): string {
  const root = resource.apiVersion === 'v1' ? '/api/v1' : `/apis/${resource.apiVersion}`;
  const scope = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${resource.plural}${name === '' ? '' : `/${encodeURIComponent(name)}`}`;
}

/** The kinds that Consular reads and writes. */
export function createResources(keep: Keep) {
  return {
    pods: builtIn('Pod', 'v1', 'pods', podDecoder(keep)),
    services: builtIn('Service', 'v1', 'services', serviceDecoder(keep)),
    endpointSlices: builtIn('EndpointSlice', 'discovery.k8s.io/v1', 'endpointslices', endpointSliceDecoder(keep)),
    endpoints: builtIn('Endpoints', 'v1', 'endpoints', endpointsDecoder(keep)),
    serviceCIDRs: builtIn('ServiceCIDR', 'networking.k8s.io/v1', 'servicecidrs', serviceCIDRDecoder(keep)),
    nodes: builtIn('Node', 'v1', 'nodes', nodeDecoder(keep)),
    namespaces: builtIn('Namespace', 'v1', 'namespaces', metadataDecoder('Namespace', keep)),
  };
}

export type Resources = ReturnType<typeof createResources>;

function builtIn<T extends KubernetesObject>(
  kind: string,
  apiVersion: string,
  plural: string,
  read: (object: Encoded) => T,
): Resource<T> {
  return { kind, apiVersion, plural, hasProtobuf: true, read, decode: decoderOf(kind, read) };
}

function decoderOf<T>(kind: string, read: (object: Encoded) => T): (raw: unknown) => T {
  return (raw) => read(jsonMessage(expectObject(raw, kind)));
}

/** A kind that an API server has only when somebody installed it, in one version or another. */
export interface CustomKind<T extends KubernetesObject> {
  readonly kind: string;
  readonly group: string;
  readonly plural: string;
  /** Those that we can read and write, the preferred one first. */
  readonly versions: readonly string[];
  readonly at: (version: string) => Resource<T>;
}

/** Istio's; the versions differ in name only. */
export function workloadEntryKind(keep: Keep): CustomKind<WorkloadEntry> {
  const group = 'networking.istio.io';
  const plural = 'workloadentries';
  const kind = 'WorkloadEntry';
  const read = workloadEntryDecoder(keep);
  return {
    ...{ kind, group, plural, versions: ['v1', 'v1beta1'] },
    at: (version) => ({
      ...{ kind, apiVersion: `${group}/${version}`, plural, hasProtobuf: false, read },
      decode: decoderOf(kind, read),
    }),
  };
}

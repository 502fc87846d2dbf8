import { expectObject } from '../json.ts';
import { jsonMessage, type Encoded } from './encoding/message.ts';
import { endpointsDecoder, endpointSliceDecoder } from './kinds/endpoints.ts';
import { metadataDecoder, type Keep } from './kinds/metadata.ts';
import { podDecoder } from './kinds/pod.ts';
import { serviceCIDRDecoder } from './kinds/service-cidr.ts';
import { serviceDecoder } from './kinds/service.ts';
import { ZONE_LABEL, type KubernetesObject, type Node } from './objects.ts';

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
    nodes: builtIn<Node>(
      'Node',
      'v1',
      'nodes',
      metadataDecoder('Node', keep, (key) => key === ZONE_LABEL),
    ),
    namespaces: builtIn('Namespace', 'v1', 'namespaces', metadataDecoder('Namespace', keep)),
  };
}

function builtIn<T extends KubernetesObject>(
  kind: string,
  apiVersion: string,
  plural: string,
  read: (object: Encoded) => T,
): Resource<T> {
  const decode = (raw: unknown) => read(jsonMessage(expectObject(raw, kind)));
  return { kind, apiVersion, plural, hasProtobuf: true, read, decode };
}

export type Resources = ReturnType<typeof createResources>;

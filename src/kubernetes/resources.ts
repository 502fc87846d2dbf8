import {
  arrayField,
  booleanField,
  expectObject,
  isObject,
  numberField,
  objectField,
  stringField,
  stringListField,
  stringMapField,
  type JsonObject,
} from '../json.ts';
import {
  objectKey,
  type Condition,
  type Container,
  type ContainerPort,
  type Endpoint,
  type EndpointPort,
  type Endpoints,
  type EndpointSlice,
  type EndpointSubset,
  type EnvVar,
  type KubernetesObject,
  type Node,
  type Pod,
  type Protocol,
  type Service,
  type ServicePort,
} from './objects.ts';

/**
 * A kind as the reflector and the writers need it: where it lives and how its wire form becomes the trimmed object.
 * The decoder is the seam: another encoding of the same kind is another `decode`, and nothing else changes.
 */
export interface Resource<T extends KubernetesObject> {
  readonly kind: string;
  readonly apiVersion: string;
  /** Plural name in paths. */
  readonly plural: string;
  /** @throws TypeError when the value is no object of this kind at all (no name, no uid). */
  readonly decode: (raw: unknown) => T;
}

/** Path of all objects, of one namespace's, or of one object. */
export function pathOf(resource: Resource<KubernetesObject>, namespace = '', name = ''): string {
  const root = resource.apiVersion === 'v1' ? '/api/v1' : `/apis/${resource.apiVersion}`;
  const scope = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${resource.plural}${name === '' ? '' : `/${encodeURIComponent(name)}`}`;
}

/** Ties an EndpointSlice to its Service (discovery/v1). */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const ZONE_LABEL = 'topology.kubernetes.io/zone';
const TEMPLATE_HASH_LABEL = 'pod-template-hash';

/** What of an object is worth its memory. */
export interface Keep {
  readonly annotation: (key: string) => boolean;
  /** A container with such a variable is kept with its whole environment. */
  readonly variable: (name: string) => boolean;
}

/** The kinds that Consular reads and writes. */
export function createResources(keep: Keep) {
  const metadata = (
    raw: unknown,
    kind: string,
    keepLabel?: (key: string) => boolean,
  ): [JsonObject, KubernetesObject] => {
    const object = expectObject(raw, kind);
    const meta = objectField(object, 'metadata');
    const decoded = {
      namespace: stringField(meta, 'namespace'),
      name: stringField(meta, 'name'),
      uid: stringField(meta, 'uid'),
      resourceVersion: stringField(meta, 'resourceVersion'),
      deletionTimestamp: stringField(meta, 'deletionTimestamp'),
      labels: stringMapField(meta, 'labels', keepLabel),
      annotations: stringMapField(meta, 'annotations', keep.annotation),
    };
    if (decoded.name === '' || decoded.uid === '')
      throw new TypeError(`read ${kind}: expected a name and a uid, found none`);
    return [object, decoded];
  };
  const resource = <T extends KubernetesObject>(
    kind: string,
    apiVersion: string,
    plural: string,
    specific: (object: JsonObject) => Omit<T, keyof KubernetesObject>,
    keepLabel?: (key: string) => boolean,
  ): Resource<T> => ({
    kind,
    apiVersion,
    plural,
    decode: (raw) => {
      const [object, meta] = metadata(raw, kind, keepLabel);
      return { ...meta, ...specific(object) } as T;
    },
  });
  return {
    pods: resource<Pod>(
      'Pod',
      'v1',
      'pods',
      (pod) => podFields(pod, keep),
      (key) => key === TEMPLATE_HASH_LABEL,
    ),
    services: resource<Service>('Service', 'v1', 'services', serviceFields),
    endpointSlices: resource<EndpointSlice>('EndpointSlice', 'discovery.k8s.io/v1', 'endpointslices', sliceFields),
    endpoints: resource<Endpoints>('Endpoints', 'v1', 'endpoints', endpointsFields),
    nodes: resource<Node>(
      'Node',
      'v1',
      'nodes',
      () => ({}),
      (key) => key === ZONE_LABEL,
    ),
    namespaces: resource<KubernetesObject>('Namespace', 'v1', 'namespaces', () => ({})),
  };
}

export type Resources = ReturnType<typeof createResources>;

/** The Service that a slice belongs to, as its key. */
export function serviceKeyOf(slice: EndpointSlice): string {
  return objectKey({ namespace: slice.namespace, name: slice.labels.get(SERVICE_NAME_LABEL) ?? '' });
}

/** The zone of a node, or an empty string. */
export function zoneOf(node: Node | undefined): string {
  return node?.labels.get(ZONE_LABEL) ?? '';
}

/** `Deployment/orders` for a pod of its ReplicaSet (whose name is the Deployment's plus the template's hash), else the owner itself. */
export function workloadOf(pod: Pod): string {
  if (!pod.owner) return '';
  const suffix = `-${pod.labels.get(TEMPLATE_HASH_LABEL) ?? ''}`;
  const { kind, name } = pod.owner;
  return kind === 'ReplicaSet' && suffix !== '-' && name.endsWith(suffix)
    ? `Deployment/${name.slice(0, -suffix.length)}`
    : `${kind}/${name}`;
}

const objects = (list: readonly unknown[]): JsonObject[] => list.filter(isObject);

function protocol(object: JsonObject): Protocol {
  const value = stringField(object, 'protocol');
  return value === 'UDP' || value === 'SCTP' ? value : 'TCP';
}

function podFields(pod: JsonObject, keep: Keep): Omit<Pod, keyof KubernetesObject> {
  const spec = objectField(pod, 'spec');
  const status = objectField(pod, 'status');
  const owner = objects(arrayField(objectField(pod, 'metadata'), 'ownerReferences')).find((reference) =>
    booleanField(reference, 'controller'),
  );
  const podIPs = objects(arrayField(status, 'podIPs')).map((entry) => stringField(entry, 'ip'));
  const conditions = objects(arrayField(status, 'conditions'));
  const ready = conditions.find((condition) => stringField(condition, 'type') === 'Ready');
  const readinessGates = objects(arrayField(spec, 'readinessGates')).map((gate) => stringField(gate, 'conditionType'));
  return {
    nodeName: stringField(spec, 'nodeName'),
    hostIP: stringField(status, 'hostIP'),
    hostNetwork: booleanField(spec, 'hostNetwork') ?? false,
    phase: stringField(status, 'phase'),
    podIPs: (podIPs.length > 0 ? podIPs : [stringField(status, 'podIP')]).filter((ip) => ip !== ''),
    owner: owner && { kind: stringField(owner, 'kind'), name: stringField(owner, 'name') },
    ready: ready && decodeCondition(ready),
    readinessGates: readinessGates.length > 0 ? readinessGates : NONE,
    conditions:
      readinessGates.length > 0
        ? new Map(conditions.map((condition) => [stringField(condition, 'type'), stringField(condition, 'status')]))
        : NO_CONDITIONS,
    containers: objects(arrayField(spec, 'containers')).flatMap((container) => decodeContainer(container, keep)),
  };
}

const NONE: readonly never[] = [];
const NO_CONDITIONS: ReadonlyMap<string, string> = new Map();

/** A container that says nothing about ports is left out. */
function decodeContainer(container: JsonObject, keep: Keep): Container[] {
  const ports = objects(arrayField(container, 'ports')).flatMap(decodeContainerPort);
  const all = objects(arrayField(container, 'env')).map(decodeEnvVar);
  const env = all.some(({ name }) => keep.variable(name)) ? all : NONE;
  if (ports.length === 0 && env.length === 0) return [];
  return [{ name: stringField(container, 'name'), image: stringField(container, 'image'), ports, env }];
}

function decodeEnvVar(variable: JsonObject): EnvVar {
  return {
    name: stringField(variable, 'name'),
    value: stringField(variable, 'value'),
    fieldPath: stringField(objectField(objectField(variable, 'valueFrom'), 'fieldRef'), 'fieldPath'),
  };
}

function decodeCondition(condition: JsonObject): Condition {
  return {
    status: stringField(condition, 'status'),
    reason: stringField(condition, 'reason'),
    message: stringField(condition, 'message'),
    lastTransitionTime: stringField(condition, 'lastTransitionTime'),
  };
}

function decodeContainerPort(port: JsonObject): ContainerPort[] {
  const number = numberField(port, 'containerPort');
  return number === undefined ? [] : [{ name: stringField(port, 'name'), port: number, protocol: protocol(port) }];
}

function serviceFields(service: JsonObject): Omit<Service, keyof KubernetesObject> {
  const spec = objectField(service, 'spec');
  const clusterIPs = stringListField(spec, 'clusterIPs');
  return {
    type: stringField(spec, 'type'),
    clusterIPs: clusterIPs.length > 0 ? clusterIPs : [stringField(spec, 'clusterIP')].filter((ip) => ip !== ''),
    hasSelector: Object.keys(objectField(spec, 'selector')).length > 0,
    ports: objects(arrayField(spec, 'ports')).map(decodeServicePort),
  };
}

function decodeServicePort(port: JsonObject): ServicePort {
  return {
    name: stringField(port, 'name'),
    port: numberField(port, 'port') ?? 0,
    protocol: protocol(port),
    targetPort: stringField(port, 'targetPort') || String(numberField(port, 'targetPort') ?? ''),
    appProtocol: stringField(port, 'appProtocol'),
  };
}

/** A slice port without a number means "all ports": nothing that could be registered or compared, so it is left out. */
function decodeEndpointPort(port: JsonObject): EndpointPort[] {
  const number = numberField(port, 'port');
  if (number === undefined) return [];
  return [
    {
      name: stringField(port, 'name'),
      port: number,
      protocol: protocol(port),
      appProtocol: stringField(port, 'appProtocol'),
    },
  ];
}

function sliceFields(slice: JsonObject): Omit<EndpointSlice, keyof KubernetesObject> {
  const owner = objects(arrayField(objectField(slice, 'metadata'), 'ownerReferences')).find(
    (reference) => stringField(reference, 'kind') === 'Service',
  );
  return {
    addressType: stringField(slice, 'addressType'),
    ports: objects(arrayField(slice, 'ports')).flatMap(decodeEndpointPort),
    endpoints: objects(arrayField(slice, 'endpoints')).flatMap(decodeEndpoint),
    ownerUid: owner ? stringField(owner, 'uid') : '',
  };
}

function decodeEndpoint(endpoint: JsonObject): Endpoint[] {
  const target = objectField(endpoint, 'targetRef');
  const [address] = stringListField(endpoint, 'addresses');
  if (address === undefined) return [];
  return [
    {
      address,
      ready: booleanField(objectField(endpoint, 'conditions'), 'ready') ?? true,
      zone: stringField(endpoint, 'zone'),
      target:
        stringField(target, 'name') === ''
          ? undefined
          : {
              kind: stringField(target, 'kind'),
              namespace: stringField(target, 'namespace'),
              name: stringField(target, 'name'),
            },
    },
  ];
}

function endpointsFields(endpoints: JsonObject): Omit<Endpoints, keyof KubernetesObject> {
  return { subsets: objects(arrayField(endpoints, 'subsets')).map(decodeSubset) };
}

function decodeSubset(subset: JsonObject): EndpointSubset {
  return {
    addresses: objects(arrayField(subset, 'addresses')).map((address) => stringField(address, 'ip')),
    ports: objects(arrayField(subset, 'ports')).flatMap(decodeEndpointPort),
  };
}

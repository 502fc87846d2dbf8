import {
  boolean,
  encoded,
  int32,
  list,
  message,
  only,
  sharedString,
  string,
  strings,
  time,
  type Encoded,
  type ValueOf,
} from '../encoding/message.ts';
import { keepEach, keptObjects, NO_STRINGS, NONE, sharedMap } from '../encoding/shared.ts';
import {
  TEMPLATE_HASH_LABEL,
  ZONE_LABEL,
  type Container,
  type ContainerPort,
  type EnvVar,
  type Pod,
} from '../objects.ts';
import { isAboutContainers, rolesOf, withoutRoles, type Roles } from './container-roles.ts';
import { metadataTable, objectOf, type Keep } from './metadata.ts';
import { protocolOf } from './service.ts';

const PORT = message({ name: [1, sharedString], containerPort: [3, int32], protocol: [4, sharedString] });
const CONTAINER = message({ name: [1, sharedString], image: [2, sharedString], ports: [6, list(PORT)] });
const RESTART_POLICY = only('restartPolicy', 24, sharedString);
const VARIABLE_NAMES = only('env', 7, list(only('name', 1, sharedString)));
const VARIABLE = message({
  name: [1, sharedString],
  value: [2, sharedString],
  valueFrom: [3, encoded],
});
const FIELD_PATH = only('fieldRef', 1, only('fieldPath', 2, sharedString));
const VARIABLES = only('env', 7, list(VARIABLE));
const SPEC = message({
  containers: [2, list(encoded)],
  nodeName: [10, sharedString],
  hostNetwork: [11, boolean],
  initContainers: [20, list(encoded)],
  readinessGates: [28, list(only('conditionType', 1, sharedString))],
});
/** Who selects a pod matters before its gates are open. */
const ALL_LABELS = only('metadata', 1, only('labels', 11, strings()));
const CONDITION_TYPE = only('type', 1, sharedString);
const CONDITION_STATUS = message({ type: [1, sharedString], status: [2, sharedString] });
const CONDITION = message({
  status: [2, sharedString],
  lastTransitionTime: [4, time],
  reason: [5, sharedString],
  message: [6, sharedString],
});
const STATUS = message({
  phase: [1, sharedString],
  conditions: [2, list(encoded)],
  hostIP: [5, sharedString],
  podIP: [6, string],
  startTime: [7, time],
  podIPs: [12, list(only('ip', 1, string))],
});

export function podDecoder(keep: Keep): (object: Encoded) => Pod {
  const annotation = (key: string) => keep.annotation(key) || isAboutContainers(key);
  const table = message({
    metadata: [1, metadataTable({ ...keep, annotation }, (key) => key === TEMPLATE_HASH_LABEL || key === ZONE_LABEL)],
    spec: [2, SPEC],
    status: [3, STATUS],
  });
  return (object) => {
    const { metadata, spec, status } = object.as(table);
    const owner = metadata.ownerReferences.find(({ controller }) => controller);
    const ready = status.conditions.find((condition) => condition.as(CONDITION_TYPE) === 'Ready');
    const ips = keepEach(status.podIPs, (ip) => ip);
    const roles = rolesOf(metadata.annotations);
    const ours = { ...metadata, annotations: withoutRoles(metadata.annotations, keep.annotation) };
    const { namespace, name, uid, resourceVersion, deletionTimestamp, labels, annotations } = objectOf('Pod', ours);
    const isGated = spec.readinessGates.length > 0;
    // No spread: objects that are written down whole are made five times as fast, and are smaller.
    return {
      namespace,
      name,
      uid,
      resourceVersion,
      deletionTimestamp,
      labels: isGated ? sharedMap(object.as(ALL_LABELS)) : labels,
      annotations,
      nodeName: spec.nodeName,
      hostIP: status.hostIP,
      hostNetwork: spec.hostNetwork ?? false,
      phase: status.phase,
      podIPs: ips.length > 0 || status.podIP === '' ? ips : [status.podIP],
      startTime: status.startTime,
      owner: owner && { kind: owner.kind, name: owner.name },
      ready: ready?.as(CONDITION),
      readinessGates: keepEach(spec.readinessGates, (type) => type),
      conditions: isGated ? statusesOf(status.conditions) : NO_STRINGS,
      containers: sharedContainers([
        ...keepEach(spec.containers, (container) => containerOf(container, false, roles, keep)),
        ...keepEach(spec.initContainers.filter(isSidecar), (container) => containerOf(container, true, roles, keep)),
      ]),
    };
  };
}

function isSidecar(initContainer: Encoded): boolean {
  return initContainer.as(RESTART_POLICY) === 'Always';
}

function statusesOf(conditions: readonly Encoded[]): ReadonlyMap<string, string> {
  const all = conditions.map((condition) => condition.as(CONDITION_STATUS));
  return new Map(all.map(({ type, status }) => [type, status]));
}

function containerOf(container: Encoded, isSidecar: boolean, roles: Roles, keep: Keep): Container | undefined {
  const { name, image, ports } = container.as(CONTAINER);
  if (name === '') return undefined;
  // The values are long and many, and hardly ever wanted: the names are looked at first.
  const isRead = keep.variable !== undefined && container.as(VARIABLE_NAMES).some(keep.variable);
  return {
    name,
    image,
    isSidecar,
    isDefault: name === roles.main,
    isIstios: roles.istios.has(name),
    ports: keepEach(ports, portOf),
    env: isRead ? keepEach(container.as(VARIABLES), variableOf) : NONE,
  };
}

function portOf({ name, containerPort, protocol }: ValueOf<typeof PORT>): ContainerPort | undefined {
  return containerPort === undefined ? undefined : { name, port: containerPort, protocol: protocolOf(protocol) };
}

function variableOf({ name, value, valueFrom }: ValueOf<typeof VARIABLE>): EnvVar {
  return { name, value, fieldPath: valueFrom === encoded.empty ? undefined : valueFrom.as(FIELD_PATH) };
}

/** Pods of one workload have the same containers: the last ones seen with their images are kept once for all. */
const lastSeen = new Map<string, readonly Container[]>();
/** As many workloads, or as many as there are objects; with more of them, all are forgotten and seen again. */
const MOST_SEEN = 4096;

function sharedContainers(containers: readonly Container[]): readonly Container[] {
  if (containers.length === 0) return NONE;
  // All images: where a mesh puts its proxy first, that of the first container is the same in every workload.
  const images = containers.map(({ image }) => image).join(' ');
  const known = lastSeen.get(images);
  if (known && sameLists(known, containers, sameContainer)) return known;
  if (lastSeen.size >= Math.max(MOST_SEEN, keptObjects())) lastSeen.clear();
  lastSeen.set(images, containers);
  return containers;
}

function sameContainer(a: Container, b: Container): boolean {
  return (
    a.name === b.name &&
    a.image === b.image &&
    a.isSidecar === b.isSidecar &&
    a.isDefault === b.isDefault &&
    a.isIstios === b.isIstios &&
    sameLists(a.ports, b.ports, (a, b) => a.name === b.name && a.port === b.port && a.protocol === b.protocol) &&
    sameLists(a.env, b.env, (a, b) => a.name === b.name && a.value === b.value && a.fieldPath === b.fieldPath)
  );
}

function sameLists<T>(a: readonly T[], b: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((entry, i) => same(entry, b[i] as T));
}

import {
  arrayField,
  booleanField,
  expectArray,
  expectObject,
  isObject,
  numberField,
  objectField,
  stringField,
  stringListField,
  stringMapField,
  type JsonObject,
} from '../json.ts';
import type { ConsulAnswer } from './client.ts';
import { UntrustworthyAnswer } from './errors.ts';
import type {
  CatalogCheck,
  CatalogNode,
  CatalogService,
  Checked,
  CheckStatus,
  NodeContents,
  ServiceInstance,
} from './types.ts';

/**
 * What answers about the catalog say. Every answer is judged before it is believed: 200 with an empty list is also what
 * Consul says to a token that lost its rights, and what an agent says that lost its leader. catalog-reader.ts asks.
 */

/** @throws UntrustworthyAnswer when the answer cannot prove that something is absent. */
export function assertTrustworthy(purpose: string, answer: ConsulAnswer): void {
  if (!answer.knownLeader) throw new UntrustworthyAnswer(purpose, 'one from a server that knows no leader');
  if (answer.filteredByAcls)
    throw new UntrustworthyAnswer(purpose, 'one that ACLs filtered; the token needs more read rights, or is missing');
}

/** The service that every datacenter has: Consul's own servers. A catalog without it is not the whole catalog. */
export const ALWAYS_THERE = 'consul';

/** Who Consul's servers are: the IDs of their nodes, which a server keeps for life, or where there is none their names. */
export function decodeServers(answer: ConsulAnswer, purpose: string): Set<string> {
  assertTrustworthy(purpose, answer);
  const nodes = expectArray(answer.body, purpose)
    .filter(isObject)
    .map((row) => objectField(row, 'Node'));
  return new Set(nodes.map((node) => stringField(node, 'ID') || stringField(node, 'Node')));
}

export const SERVICES_REQUEST = { purpose: 'read service names', path: '/catalog/services' } as const;

/** Names of all services, as Consul spells them. */
export function decodeServiceNames(answer: ConsulAnswer): string[] {
  const names = Object.keys(expectObject(answer.body, 'service names'));
  assertTrustworthy(SERVICES_REQUEST.purpose, answer);
  if (!names.includes(ALWAYS_THERE))
    throw new UntrustworthyAnswer(
      SERVICES_REQUEST.purpose,
      `a list without "${ALWAYS_THERE}": is the token missing or without rights?`,
    );
  return names;
}

export function instancesRequest(name: string) {
  return { purpose: `read service ${name}`, path: '/health/service/{name}', params: { name } } as const;
}

/** The same without their checks, which costs Consul less. */
export function catalogServiceRequest(name: string) {
  return { ...instancesRequest(name), path: '/catalog/service/{name}' } as const;
}

/**
 * Blocking queries of health/service are answered by Consul's streaming backend, which says "no leader known" with every
 * answer (seen on 1.22.0) and so proves nothing. Asking for an order by distance makes it a plain blocking query.
 */
export const FROM_THE_LEADER = { near: '_agent' };

/** All instances of a service, whatever their health. One that cannot be read costs only itself. */
export function decodeInstances(answer: ConsulAnswer, name: string): ServiceInstance[] {
  const { purpose } = instancesRequest(name);
  const rows = expectArray(answer.body, purpose);
  assertTrustworthy(purpose, answer);
  const instances = rows.filter(isObject).flatMap(decodeInstance);
  const others = instances.filter(({ service }) => service !== '' && service.toLowerCase() !== name.toLowerCase());
  // Not for one of many: Consul takes some letters for equal that are different here.
  if (others.length > 0 && others.length === instances.length)
    throw new UntrustworthyAnswer(purpose, 'one about another service, which somebody else asked for');
  return instances;
}

function decodeInstance(row: JsonObject): ServiceInstance[] {
  const node = objectField(row, 'Node');
  const service = objectField(row, 'Service');
  const id = stringField(service, 'ID');
  if (id === '' || stringField(node, 'Node') === '') return [];
  const status = worst(arrayField(row, 'Checks').filter(isObject));
  const ports = arrayField(service, 'Ports').filter(isObject);
  return [
    {
      node: stringField(node, 'Node'),
      nodeAddress: stringField(node, 'Address'),
      id,
      service: stringField(service, 'Service'),
      address: stringField(service, 'Address'),
      // Who has named ports registers no other; Consul 1.22.0 shows the default one here, and does not promise it.
      port: numberField(service, 'Port') || portOf(ports.find((port) => booleanField(port, 'Default'))),
      namedPorts: ports.length > 0 ? ports.map(portOf) : NO_PORTS,
      tags: stringListField(service, 'Tags'),
      meta: stringMapField(service, 'Meta'),
      kind: stringField(service, 'Kind'),
      status,
      weight: numberField(objectField(service, 'Weights'), status === 'warning' ? 'Warning' : 'Passing') ?? 1,
    },
  ];
}

const NO_PORTS: readonly number[] = [];

function portOf(row: JsonObject | undefined): number {
  return (row && numberField(row, 'Port')) ?? 0;
}

/** A status that Consul does not define (it accepts any text) counts as critical: never send traffic on a guess. */
function worst(checks: readonly JsonObject[]): CheckStatus {
  const statuses = checks.map((check) => stringField(check, 'Status'));
  if (statuses.some((status) => status !== 'passing' && status !== 'warning')) return 'critical';
  return statuses.includes('warning') ? 'warning' : 'passing';
}

export function nodesRequest(metaKey: string, metaValue: string) {
  return {
    purpose: `read Consul nodes of ${metaValue}`,
    path: '/catalog/nodes',
    query: { 'node-meta': `${metaKey}:${metaValue}` },
  } as const;
}

export function decodeNodes(answer: ConsulAnswer, purpose: string): CatalogNode[] {
  const rows = expectArray(answer.body, purpose);
  assertTrustworthy(purpose, answer);
  return rows.filter(isObject).map(decodeNode);
}

function decodeNode(row: JsonObject): CatalogNode {
  return {
    name: stringField(row, 'Node'),
    address: stringField(row, 'Address'),
    meta: stringMapField(row, 'Meta'),
    modifyIndex: numberField(row, 'ModifyIndex') ?? 0,
  };
}

/** A node with its services and checks, or undefined when Consul says that there is none. */
export function decodeNodeContents(
  services: ConsulAnswer,
  checks: ConsulAnswer,
  purpose: string,
): NodeContents | undefined {
  assertTrustworthy(purpose, checks);
  const contents = decodeNodeServices(services, purpose);
  return (
    contents && {
      ...contents,
      checks: expectArray(checks.body, purpose).map((row) => decodeCheck(expectObject(row, purpose))),
    }
  );
}

/** A node with its services, or undefined when Consul says that there is none. */
export function decodeNodeServices(answer: ConsulAnswer, purpose: string): Omit<NodeContents, 'checks'> | undefined {
  assertTrustworthy(purpose, answer);
  // Of a node that does not exist Consul says null, or {"Node": null} (1.22).
  const contents = answer.body === null ? {} : expectObject(answer.body, purpose);
  if (!isObject(contents.Node)) return undefined;
  return {
    node: decodeNode(contents.Node),
    // Of an empty node Consul says null (1.22); without any such field the answer does not say that it is empty.
    services: (contents.Services === null ? [] : expectArray(contents.Services, purpose)).map((row) =>
      decodeService(expectObject(row, purpose)),
    ),
    index: answer.index,
  };
}

function decodeService(row: JsonObject): CatalogService {
  const port = numberField(row, 'Port') ?? 0;
  return {
    id: stringField(row, 'ID'),
    service: stringField(row, 'Service'),
    address: stringField(row, 'Address'),
    port,
    taggedAddresses: decodeTaggedAddresses(objectField(row, 'TaggedAddresses'), port),
    tags: stringListField(row, 'Tags'),
    meta: stringMapField(row, 'Meta'),
    weight: numberField(objectField(row, 'Weights'), 'Passing') ?? 1,
    modifyIndex: numberField(row, 'ModifyIndex') ?? 0,
  };
}

const NO_ADDRESSES: ReadonlyMap<string, string> = new Map();

function decodeTaggedAddresses(tagged: JsonObject, port: number): ReadonlyMap<string, string> {
  const keys = Object.keys(tagged);
  if (keys.length === 0) return NO_ADDRESSES;
  return new Map(
    keys.map((key) => {
      const address = stringField(objectField(tagged, key), 'Address');
      const own = numberField(objectField(tagged, key), 'Port') ?? 0;
      return [key, own === port ? address : `${address} ${own}`];
    }),
  );
}

function decodeCheck(row: JsonObject): CatalogCheck {
  return {
    checkId: stringField(row, 'CheckID'),
    name: stringField(row, 'Name'),
    type: stringField(row, 'Type'),
    status: stringField(row, 'Status'),
    notes: stringField(row, 'Notes'),
    output: stringField(row, 'Output'),
    serviceId: stringField(row, 'ServiceID'),
    modifyIndex: numberField(row, 'ModifyIndex') ?? 0,
  };
}

export const healthStateRequest = (status: 'critical' | 'warning') =>
  ({ purpose: `read ${status} checks`, path: '/health/state/{status}', params: { status } }) as const;

/** Which checks are in that state, by `node/checkId`. */
export function decodeHealthState(answer: ConsulAnswer, purpose: string): Map<string, Checked> {
  const rows = expectArray(answer.body, purpose).filter(isObject);
  return new Map(
    rows.map((row) => {
      const node = stringField(row, 'Node');
      return [`${node}/${stringField(row, 'CheckID')}`, { node, service: stringField(row, 'ServiceName') }];
    }),
  );
}

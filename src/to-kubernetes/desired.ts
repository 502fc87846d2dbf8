import { createHash } from 'node:crypto';
import type { Family } from '../address.ts';
import {
  MULTICLUSTER_SERVICE_LABEL,
  type EndpointPort,
  type EndpointSlice,
  type EndpointSubset,
  type ServicePort,
} from '../kubernetes/objects.ts';
import { LABEL } from '../reconcile/mark.ts';
import { ALIAS_PORT, MAIN_PORT, portChoice } from './mirrored-ports.ts';
import type { MirroredEndpoint, MirroredService } from './mirrored-service.ts';
import type { ServiceShape } from './shape.ts';
import type { Mode } from './workload-mode.ts';

/** The Kubernetes objects that a MirroredService becomes in one namespace. */
export interface DesiredService {
  readonly name: string;
  readonly consulService: string;
  readonly shape: ServiceShape;
  readonly portChoice: string;
  /** With `istio` it selects its WorkloadEntries. */
  readonly mode: Mode;
  readonly ports: readonly ServicePort[];
}

export interface DesiredSlice {
  readonly name: string;
  readonly consulService: string;
  readonly serviceName: string;
  readonly headless: boolean;
  readonly addressType: Family;
  /** True when Istio's sidecars are to pass over it. */
  readonly passedOver: boolean;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly DesiredEndpoint[];
}

export interface DesiredEndpoint {
  readonly address: string;
  readonly zone: string;
  /** The host name that the address was resolved from, or an empty string. */
  readonly host: string;
}

export interface DesiredEndpoints {
  readonly name: string;
  readonly consulService: string;
  readonly headless: boolean;
  readonly subsets: readonly EndpointSubset[];
  /** There are more addresses than it can have. */
  readonly truncated: boolean;
}

/** As Kubernetes' own controller: a change rewrites one slice on every node, so slices stay small. */
const MOST_IN_SLICE = 100;
/** The limit of v1 Endpoints; who needs more must read slices. */
const MOST_IN_ENDPOINTS = 1000;

export function desiredService(
  name: string,
  { consulService, shape, ports, appProtocol }: MirroredService,
  mode: Mode,
): DesiredService {
  const port = (portName: string, number: number): ServicePort => ({
    name: portName,
    port: number,
    protocol: 'TCP',
    targetPort: portName,
    appProtocol,
  });
  return {
    name,
    consulService,
    shape,
    portChoice: portChoice(ports),
    mode,
    ports: [port(MAIN_PORT, ports.main), ...(ports.alias === undefined ? [] : [port(ALIAS_PORT, ports.alias)])],
  };
}

/** The same target port under every name of the Service: slices are joined to Service ports by name. */
function endpointPorts({ ports, appProtocol }: MirroredService, port: number): EndpointPort[] {
  const named = (name: string): EndpointPort => ({ name, port, protocol: 'TCP', appProtocol });
  return [named(MAIN_PORT), ...(ports.alias === undefined ? [] : [named(ALIAS_PORT)])];
}

/**
 * One group of slices for each (address family, port), because ports are a slice's and not an endpoint's. An endpoint
 * stays in the slice it is in, a new one fills the first slice with room: one instance that changes is one slice written.
 * @param present our slices of that Service
 * @param isTaken true for a slice name that somebody else has
 * @param passedOver true for slices that Istio's sidecars are to pass over; a slice never turns from one kind into the
 * other, because Istio passes over that change too and would keep the endpoints for ever
 */
export function desiredSlices(
  name: string,
  mirrored: MirroredService,
  present: readonly EndpointSlice[],
  isTaken: (sliceName: string) => boolean = () => false,
  passedOver = false,
): DesiredSlice[] {
  const groups = groupBy(mirrored.endpoints, ({ family, port }) => `${family} ${port}`);
  return [...groups.values()].flatMap((endpoints) =>
    sliceGroup(name, mirrored, endpoints, present, isTaken, passedOver),
  );
}

export function isPassedOver({ labels }: EndpointSlice): boolean {
  return labels.has(MULTICLUSTER_SERVICE_LABEL);
}

function sliceGroup(
  serviceName: string,
  mirrored: MirroredService,
  endpoints: readonly MirroredEndpoint[],
  present: readonly EndpointSlice[],
  isTaken: (sliceName: string) => boolean,
  passedOver: boolean,
): DesiredSlice[] {
  const [first] = endpoints;
  if (!first) return [];
  const { family, port } = first;
  const waiting = new Map(endpoints.map(({ address, zone, host }) => [address, { address, zone, host }]));
  const isOfGroup = (slice: EndpointSlice) =>
    slice.addressType === family &&
    slice.ports.length > 0 &&
    slice.ports.every((slicePort) => slicePort.port === port) &&
    isPassedOver(slice) === passedOver;
  const ofGroup = present.filter(isOfGroup);
  const shards = new Map<string, DesiredEndpoint[]>();
  for (const slice of ofGroup.sort((a, b) => (a.name < b.name ? -1 : 1)))
    shards.set(
      slice.name,
      take(
        waiting,
        slice.endpoints.map(({ address }) => address),
      ),
    );
  for (const shard of shards.values()) fill(waiting, shard);
  // A slice of another group can have a name of ours, when somebody changed its ports.
  const taken = new Set(present.filter((slice) => !isOfGroup(slice)).map(({ name }) => name));
  for (let number = 0; waiting.size > 0; number++) {
    const name = sliceName(serviceName, passedOver ? [family, port, number, 'istio'] : [family, port, number]);
    if (!shards.has(name) && !taken.has(name) && !isTaken(name)) shards.set(name, fill(waiting, []));
  }
  return [...shards]
    .filter(([, shard]) => shard.length > 0)
    .map(([name, shard]) => ({
      name,
      consulService: mirrored.consulService,
      serviceName,
      headless: mirrored.shape.headless,
      addressType: family,
      passedOver,
      ports: endpointPorts(mirrored, port),
      endpoints: shard,
    }));
}

/** A slice as it is, without its endpoints. */
export function emptied(slice: EndpointSlice, serviceName: string, consulService: string): DesiredSlice {
  const addressType = slice.addressType === 'IPv6' ? 'IPv6' : 'IPv4';
  return {
    ...{ name: slice.name, serviceName, consulService, addressType, ports: slice.ports, endpoints: [] },
    headless: slice.labels.has(LABEL.headless),
    passedOver: isPassedOver(slice),
  };
}

function take(waiting: Map<string, DesiredEndpoint>, addresses: readonly string[]): DesiredEndpoint[] {
  const stay = [...new Set(addresses)].flatMap((address) => waiting.get(address) ?? []).slice(0, MOST_IN_SLICE);
  for (const { address } of stay) waiting.delete(address);
  return stay;
}

function fill(waiting: Map<string, DesiredEndpoint>, shard: DesiredEndpoint[]): DesiredEndpoint[] {
  for (const [address, endpoint] of waiting) {
    if (shard.length >= MOST_IN_SLICE) break;
    shard.push(endpoint);
    waiting.delete(address);
  }
  return shard;
}

function sliceName(service: string, identity: readonly (string | number)[]): string {
  return `${service}-${createHash('sha256').update(identity.join(' ')).digest('hex').slice(0, 8)}`;
}

/** One subset for each port: a subset says that every address of it has every port of it. */
export function desiredEndpoints(name: string, mirrored: MirroredService): DesiredEndpoints {
  const shown = [...mirrored.endpoints]
    .sort((a, b) => a.port - b.port || (a.address < b.address ? -1 : 1))
    .slice(0, MOST_IN_ENDPOINTS);
  const subsets = [...groupBy(shown, ({ port }) => port)].map(([port, endpoints]) => ({
    addresses: endpoints.map(({ address }) => address),
    ports: endpointPorts(mirrored, port),
  }));
  const truncated = mirrored.endpoints.length > shown.length;
  return { name, consulService: mirrored.consulService, headless: mirrored.shape.headless, subsets, truncated };
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

import { createHash } from 'node:crypto';
import type { Family } from '../../address.ts';
import {
  MULTICLUSTER_SERVICE_LABEL,
  type EndpointPort,
  type EndpointSlice,
  SERVICE_NAME_LABEL,
} from '../../kubernetes/objects.ts';
import { LABEL, SLICE_MANAGER, ANNOTATION } from '../../mark.ts';
import type { MirroredEndpoint, MirroredService } from '../desired/mirrored-service.ts';
import { groupBy, endpointPorts, sameList, samePort, placeBehind, type Place, type Target } from './ports.ts';
import { writeHosts } from './hosts-annotation.ts';
import { type Body, withoutEmpty, type Labels } from './body.ts';

export interface DesiredSlice {
  readonly name: string;
  readonly consulService: string;
  readonly serviceName: string;
  readonly headless: boolean;
  readonly addressType: Family;
  /** True when Istio's sidecars are to pass over it. */
  readonly hiddenFromIstio: boolean;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly DesiredEndpoint[];
}

interface DesiredEndpoint {
  readonly address: string;
  readonly zone: string;
  /** The host name that the address was resolved from, or an empty string. */
  readonly host: string;
  /** False for one that would go and stays: nobody is to be sent there. @default true */
  readonly ready?: boolean;
}

/** As Kubernetes' own controller: a change rewrites one slice on every node, so slices stay small. */
const MOST_IN_SLICE = 100;
/**
 * One group of slices for each (address family, port, protocol), because ports are a slice's and not an endpoint's. An endpoint
 * stays in the slice it is in, a new one fills the first slice with room: one instance that changes is one slice written.
 * @param observed our slices of that Service
 * @param isTaken true for a slice name that somebody else has
 * @param hiddenFromIstio true for slices that Istio's sidecars are to pass over; a slice never turns from one kind into the
 * other, because Istio passes over that change too and would keep the endpoints for ever
 * @param portsOf the ports of a slice whose endpoints are called at that target
 */
export function desiredSlices(
  name: string,
  mirrored: MirroredService,
  observed: readonly EndpointSlice[],
  isTaken: (sliceName: string) => boolean = () => false,
  hiddenFromIstio = false,
  portsOf: (target: Target) => readonly EndpointPort[] = (target) => endpointPorts(mirrored, target),
): DesiredSlice[] {
  const groups = groupBy(mirrored.endpoints, ({ family, port, protocol }) => `${family} ${port} ${protocol}`);
  return [...groups.values()].flatMap((endpoints) =>
    sliceGroup(name, mirrored, endpoints, observed, isTaken, hiddenFromIstio, portsOf),
  );
}

export function isHiddenFromIstio({ labels }: EndpointSlice): boolean {
  return labels.has(MULTICLUSTER_SERVICE_LABEL);
}

function sliceGroup(
  serviceName: string,
  mirrored: MirroredService,
  endpoints: readonly MirroredEndpoint[],
  observed: readonly EndpointSlice[],
  isTaken: (sliceName: string) => boolean,
  hiddenFromIstio: boolean,
  portsOf: (target: Target) => readonly EndpointPort[],
): DesiredSlice[] {
  const [first] = endpoints;
  if (!first) return [];
  const { family, port, protocol } = first;
  const waiting = new Map(endpoints.map(({ address, zone, host }) => [address, { address, zone, host }]));
  const isOfGroup = (slice: EndpointSlice) =>
    slice.addressType === family &&
    slice.ports.length > 0 &&
    slice.ports.every((slicePort) => slicePort.port === port && slicePort.protocol === protocol) &&
    isHiddenFromIstio(slice) === hiddenFromIstio;
  const ofGroup = observed.filter(isOfGroup);
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
  const taken = new Set(observed.filter((slice) => !isOfGroup(slice)).map(({ name }) => name));
  for (let number = 0; waiting.size > 0; number++) {
    const name = sliceName(serviceName, [
      ...[family, port, number],
      ...(hiddenFromIstio ? ['istio'] : []),
      ...(protocol === 'TCP' ? [] : [protocol]),
    ]);
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
      hiddenFromIstio,
      ports: portsOf(first),
      endpoints: shard,
    }));
}

/** A slice as it is, without its endpoints. */
export function emptied(slice: EndpointSlice, serviceName: string, consulService: string): DesiredSlice {
  const addressType = slice.addressType === 'IPv6' ? 'IPv6' : 'IPv4';
  return {
    ...{ name: slice.name, serviceName, consulService, addressType, ports: slice.ports, endpoints: [] },
    headless: slice.labels.has(LABEL.headless),
    hiddenFromIstio: isHiddenFromIstio(slice),
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

/** Whether it is as it should be in all that we write. What others add (other labels, fields that we have no opinion on) is theirs. */
export function sameSlice(desired: DesiredSlice, observed: EndpointSlice): boolean {
  const byAddress = new Map(observed.endpoints.map((endpoint) => [endpoint.address, endpoint]));
  return (
    observed.labels.get(LABEL.sliceManagedBy) === SLICE_MANAGER &&
    observed.labels.has(LABEL.headless) === desired.headless &&
    (observed.annotations.get(ANNOTATION.hosts) ?? null) === writeHosts(desired.endpoints) &&
    byAddress.size === desired.endpoints.length &&
    desired.endpoints.every(({ address, zone, ready = true }) => {
      const endpoint = byAddress.get(address);
      return (
        endpoint?.ready === ready &&
        endpoint.serving === ready &&
        !endpoint.terminating &&
        endpoint.zone === zone &&
        !endpoint.target
      );
    }) &&
    sameList(desired.ports, observed.ports, samePort)
  );
}

export function sliceBody(
  labels: Labels,
  { consulService, serviceName, headless, addressType, hiddenFromIstio, ports, endpoints }: DesiredSlice,
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
        ...(hiddenFromIstio ? { [MULTICLUSTER_SERVICE_LABEL]: '' } : {}),
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
export function endpointsField(endpoints: readonly Pick<DesiredEndpoint, 'address' | 'zone' | 'ready'>[]) {
  return {
    // All three conditions, always: Istio reads an absent `terminating` as true when `ready` is false.
    endpoints: endpoints.map(({ address, zone, ready = true }) =>
      withoutEmpty({ addresses: [address], conditions: { ready, serving: ready, terminating: false }, zone }),
    ),
  };
}

/** The same on a Service that is somebody else's: another mark, so that it is not taken for a mirrored Service's. */
export function importedSliceBody(labels: Labels, desired: DesiredSlice, owner: object): Body {
  const { metadata, ...body } = sliceBody(labels, desired, owner);
  const annotations = {
    [ANNOTATION.importedFrom]: desired.consulService,
    [ANNOTATION.hosts]: writeHosts(desired.endpoints),
  };
  return { ...body, metadata: { ...metadata, annotations } };
}

/** Where the endpoints of a slice are called, and the slice with some of them only. */
export function placesInSlice({ ports: [port], endpoints }: DesiredSlice | EndpointSlice): Place[] {
  return port ? endpoints.map(({ address }) => placeBehind(port, address)) : [];
}

export function sliceWith(slice: DesiredSlice, isKept: (place: Place) => boolean): DesiredSlice {
  const [port] = slice.ports;
  return { ...slice, endpoints: slice.endpoints.filter(({ address }) => port && isKept(placeBehind(port, address))) };
}

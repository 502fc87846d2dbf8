import { locationOf } from '../../address.ts';
import {
  serviceKeyOf,
  objectKey,
  type EndpointSlice,
  type Service,
  type WorkloadEntry,
} from '../../kubernetes/objects.ts';
import type { Views } from '../views.ts';

/** A place that a port of a Service leads to. */
interface Place {
  /** Name and protocol: what joins it to the port of the Service. */
  readonly port: string;
  /** Address, number and protocol. */
  readonly location: string;
}

/**
 * True when none of a Service's callers misses what a mirrored Service has in it, because other slices of it have the same:
 * - behind each port that the Service has, or callers of its second port would find nobody, whatever the first one leads to;
 * - and behind some port at all, also where the Service has none of that name any more: the other slices may come later.
 *
 * The import that is to have them fills its port without regard to slices of ours, so that neither waits for the other. What
 * it leaves to slices of others is there, ready or not, and counts.
 */
export function isCovered(
  { endpointSlices }: Views,
  service: Service,
  slices: readonly EndpointSlice[],
  entries: readonly WorkloadEntry[],
): boolean {
  const key = objectKey(service);
  const others = [...endpointSlices.values()].filter((slice) => serviceKeyOf(slice) === key && !slices.includes(slice));
  const there = others.flatMap(placesOf);
  const locations = new Set(there.map(({ location }) => location));
  const behindPorts = new Set(there.map(textOf));
  const called = new Set(service.ports.map(portOf));
  const isThere = (place: Place) =>
    locations.has(place.location) && (!called.has(place.port) || behindPorts.has(textOf(place)));
  return (
    others.length > 0 && [...slices.map(readyOf).flatMap(placesOf), ...entries.flatMap(placesOfEntry)].every(isThere)
  );
}

/** Nobody misses what is not ready. */
function readyOf(slice: EndpointSlice): EndpointSlice {
  return { ...slice, endpoints: slice.endpoints.filter(({ ready }) => ready) };
}

function placesOf({ ports, endpoints }: EndpointSlice): Place[] {
  return endpoints.flatMap(({ address }) =>
    ports.map((port) => ({ port: portOf(port), location: `${locationOf(address, port.port)} ${port.protocol}` })),
  );
}

/** An entry can be all that there is: an ambient mesh has no slices of ours. */
function placesOfEntry({ address, ports }: WorkloadEntry): Place[] {
  return [...ports].map(([name, port]) => ({
    port: portOf({ name, protocol: 'TCP' }),
    location: `${locationOf(address, port)} TCP`,
  }));
}

function portOf({ name, protocol }: { readonly name: string; readonly protocol: string }): string {
  return `${name}/${protocol}`;
}

function textOf({ port, location }: Place): string {
  return `${port} ${location}`;
}

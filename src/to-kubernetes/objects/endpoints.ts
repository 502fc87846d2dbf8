import type { EndpointSubset, Endpoints } from '../../kubernetes/objects.ts';
import type { MirroredService } from '../desired/mirrored-service.ts';
import { groupBy, endpointPorts, sameList, samePort, placeBehind, type Place } from './ports.ts';
import { LABEL, ANNOTATION } from '../../mark.ts';
import { type Body, withoutEmpty, type Labels } from './body.ts';

export interface DesiredEndpoints {
  readonly name: string;
  readonly consulService: string;
  readonly headless: boolean;
  readonly subsets: readonly EndpointSubset[];
  /** There are more addresses than it can have. */
  readonly truncated: boolean;
}

/** The limit of v1 Endpoints; a reader that needs more must read slices. */
const MOST_IN_ENDPOINTS = 1000;

/** One subset for each port and protocol: a subset says that every address of it has every port of it. */
export function desiredEndpoints(name: string, mirrored: MirroredService): DesiredEndpoints {
  const shown = [...mirrored.endpoints]
    .sort((a, b) => a.port - b.port || compare(a.protocol, b.protocol) || compare(a.address, b.address))
    .slice(0, MOST_IN_ENDPOINTS);
  const subsets = [...groupBy(shown, ({ port, protocol }) => `${port} ${protocol}`).values()].map((endpoints) => ({
    addresses: endpoints.map(({ address }) => address),
    ports: endpoints.slice(0, 1).flatMap((target) => endpointPorts(mirrored, target)),
  }));
  const truncated = mirrored.endpoints.length > shown.length;
  return { name, consulService: mirrored.consulService, headless: mirrored.shape.headless, subsets, truncated };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether it is as it should be in all that we write. What others add (other labels, fields that we have no opinion on) is theirs. */
export function sameEndpoints(desired: DesiredEndpoints, observed: Endpoints): boolean {
  return (
    observed.labels.get(LABEL.skipMirror) === 'true' &&
    observed.labels.has(LABEL.headless) === desired.headless &&
    observed.annotations.has(ANNOTATION.overCapacity) === desired.truncated &&
    sameSubsets(desired.subsets, observed.subsets)
  );
}

function sameSubsets(desired: readonly EndpointSubset[], observed: readonly EndpointSubset[]): boolean {
  return sameList(
    desired,
    observed,
    (a, b) => sameList(a.addresses, b.addresses, Object.is) && sameList(a.ports, b.ports, samePort),
  );
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

/** Where the endpoints are called, and the object with some of them only. */
export function placesInEndpoints({ subsets }: Pick<DesiredEndpoints, 'subsets'>): Place[] {
  return subsets.flatMap(({ addresses, ports: [port] }) =>
    port ? addresses.map((address) => placeBehind(port, address)) : [],
  );
}

export function endpointsWith(endpoints: DesiredEndpoints, isKept: (place: Place) => boolean): DesiredEndpoints {
  const subsets = endpoints.subsets.map(({ addresses, ports }) => ({
    ports,
    addresses: addresses.filter((address) => ports[0] && isKept(placeBehind(ports[0], address))),
  }));
  return { ...endpoints, subsets: subsets.filter(({ addresses }) => addresses.length > 0) };
}

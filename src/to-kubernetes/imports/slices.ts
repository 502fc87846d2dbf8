import { locationOf } from '../../address.ts';
import type { EndpointPort, EndpointSlice, Service, ServicePort } from '../../kubernetes/objects.ts';
import { ANNOTATION, LABEL } from '../../mark.ts';
import type { Target } from '../objects/ports.ts';
import { desiredSlices, type DesiredSlice, sameSlice } from '../objects/slice.ts';
import type { MirroredEndpoint, MirroredService } from '../desired/mirrored-service.ts';
import { isHeadless } from '../desired/service-shape.ts';
import { readHosts } from '../objects/hosts-annotation.ts';
import type { ConsulName } from '../requests/import-request.ts';

/** An endpoint that the Service has without us. */
export interface SkippedEndpoint {
  readonly address: string;
  readonly port: number;
  /** The name of the slice that has it. */
  readonly slice: string;
}

/** The slices of one Service. */
export interface SlicesOfService {
  readonly service: Service;
  /** Ours for this import. */
  readonly own: readonly EndpointSlice[];
  /** Those that are not Consular's: of its pods, or made by somebody. */
  readonly others: readonly EndpointSlice[];
  /** True for a slice name that somebody has. */
  readonly isTaken: (name: string) => boolean;
}

/** An import that is right: the endpoints of the Consul service, behind one port of the Service. */
export function importedSlices(
  { service, own, others, isTaken }: SlicesOfService,
  { spelling }: ConsulName,
  port: ServicePort,
  mirrored: MirroredService,
): {
  readonly slices: DesiredSlice[];
  readonly skipped: SkippedEndpoint[];
  /** Those that speak another protocol than the port. */
  readonly misfits: readonly MirroredEndpoint[];
} {
  const taken = endpointsOf(others, port);
  const skipped: SkippedEndpoint[] = [];
  const fitting = fittingEndpoints(mirrored.endpoints, port);
  const endpoints = fitting.filter(({ address, port }) => {
    const slice = taken.get(locationOf(address, port));
    if (slice !== undefined) skipped.push({ address, port, slice });
    return slice === undefined;
  });
  const reusable = own.filter((slice) => isReusable(slice, service));
  const isOthers = (name: string) => isTaken(name) && !reusable.some((slice) => slice.name === name);
  const { protocol } = port;
  const source = { ...mirrored, endpoints: endpoints.map((endpoint) => ({ ...endpoint, protocol })) };
  const slices = desiredSlices(service.name, source, reusable, isOthers, false, (target) => [behind(port, target)]).map(
    (slice) => ({ ...slice, consulService: spelling, headless: isHeadless(service) }),
  );
  return { slices, skipped, misfits: mirrored.endpoints.filter((endpoint) => !fitting.includes(endpoint)) };
}

/**
 * What marks itself as UDP is called by no other protocol. Whatever says nothing is what the port says, unless others say it of
 * themselves.
 */
function fittingEndpoints(endpoints: readonly MirroredEndpoint[], { protocol }: ServicePort): MirroredEndpoint[] {
  // Whatever stays without its instance is behind the port already, and says nothing of itself.
  const held = endpoints.filter(({ instance }) => !instance);
  const shown = endpoints.filter(({ instance }) => instance);
  const silent = shown.filter((endpoint) => endpoint.protocol === 'TCP');
  const said = shown.filter((endpoint) => endpoint.protocol === 'UDP');
  return [...(protocol === 'UDP' && said.length > 0 ? said : silent), ...held];
}

/** The Consul service that a slice of ours was taken from, if it is another than the given service. */
export function otherOrigin({ annotations }: EndpointSlice, { name }: ConsulName): string | undefined {
  const origin = annotations.get(ANNOTATION.importedFrom);
  return origin?.toLowerCase() === name ? undefined : origin;
}

/**
 * An import with a mistake in it: what is there stays, but for the instances that are not well any more. Of another Consul
 * service than was taken in nobody knows here how its instances are: they all stay.
 */
export function heldSlices(
  { service, own, others }: SlicesOfService,
  from: ConsulName,
  alive: readonly MirroredEndpoint[],
): DesiredSlice[] {
  const isAlive = new Set(alive.map(({ address, port }) => locationOf(address, port)));
  return own.flatMap((slice): DesiredSlice[] => {
    const [port] = slice.ports;
    if (!port || !isReusable(slice, service)) return [];
    const taken = endpointsOf(others, port);
    const hosts = readHosts(slice);
    const other = otherOrigin(slice, from);
    const endpoints = slice.endpoints
      .filter(({ address }) => {
        const location = locationOf(address, port.port);
        return (other !== undefined || isAlive.has(location)) && !taken.has(location);
      })
      .map(({ address, zone, ready }) => {
        // What is not ready, and not known to live, was lost before, and is kept.
        const isKept = !ready && !isAlive.has(locationOf(address, port.port));
        return { address, zone, host: hosts.get(address) ?? '', ...(isKept ? { ready } : {}) };
      });
    if (endpoints.length === 0) return [];
    const addressType = slice.addressType === 'IPv6' ? 'IPv6' : 'IPv4';
    const headless = isHeadless(service);
    return [
      {
        ...{
          name: slice.name,
          serviceName: service.name,
          consulService: other ?? from.spelling,
          addressType,
          headless,
          endpoints,
        },
        hiddenFromIstio: false,
        ports: slice.ports,
      },
    ];
  });
}

export function sameImportedSlice(desired: DesiredSlice, observed: EndpointSlice, service: Service): boolean {
  return (
    sameSlice(desired, observed) &&
    isReusable(observed, service) &&
    observed.annotations.get(ANNOTATION.importedFrom) === desired.consulService
  );
}

/** A merge patch takes no label away, and a slice of a Service that is gone goes with it. */
function isReusable({ ownerUid, labels }: EndpointSlice, service: Service): boolean {
  return ownerUid === service.uid && labels.has(LABEL.headless) === isHeadless(service);
}

/** Slices are joined to a port of the Service by its name; the number is the instance's. */
function behind({ name, protocol, appProtocol }: ServicePort, { port }: Target): EndpointPort {
  return { name, port, protocol, appProtocol };
}

/**
 * What slices lead to from that port of the Service, ready or not: of a pod that is not ready, or going, Kubernetes knows
 * better than the Consul service that it registered itself as.
 */
function endpointsOf(
  slices: readonly EndpointSlice[],
  { name, protocol }: Pick<EndpointPort, 'name' | 'protocol'>,
): ReadonlyMap<string, string> {
  return new Map(
    slices.flatMap(({ name: slice, ports, endpoints }) =>
      ports
        .filter((port) => port.name === name && port.protocol === protocol)
        .flatMap(({ port }) => endpoints.map(({ address }) => [locationOf(address, port), slice] as const)),
    ),
  );
}

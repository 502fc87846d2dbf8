import { hostKey, locationOf } from '../../address.ts';
import type { EndpointSlice, WorkloadEntry } from '../../kubernetes/objects.ts';
import type { Addresses } from '../addresses/addresses.ts';
import { MAIN_PORT } from '../desired/mirrored-ports.ts';
import type { MirroredEndpoint, MirroredService } from '../desired/mirrored-service.ts';
import { readHosts } from '../objects/hosts-annotation.ts';
import type { PlanSources } from './sources.ts';

/** The objects of ours that carry the addresses of one Service. */
export interface Carriers {
  readonly slices: readonly EndpointSlice[];
  readonly workloadEntries: readonly WorkloadEntry[];
}

interface HeldSources extends Pick<PlanSources, 'catalog'> {
  readonly addresses: Pick<Addresses, 'network'>;
}

/** An endpoint as it is. */
type Place = Pick<MirroredEndpoint, 'address' | 'port' | 'zone' | 'host'>;

/**
 * The endpoints that stay although Consul does not show an instance for them, because it may have lost it
 * (`Catalog.isComplete`):
 *
 * | what Consul has of the service                         | an endpoint that is there |
 * |--------------------------------------------------------|---------------------------|
 * | all that there is                                      | none stays for this reason |
 * | an instance at that place, well or not, mirrored or not | none: the instance decides |
 * | no instance there, and the address may be an endpoint  | stays                     |
 * | no instance there, and the address may be none any more | goes                      |
 *
 * A daemon that runs keeps such instances by itself; this is for what an earlier run has written.
 */
export function heldEndpoints(
  { catalog, addresses }: HeldSources,
  name: string,
  carriers: Carriers,
): MirroredEndpoint[] {
  if (catalog.isComplete(name)) return [];
  const network = addresses.network();
  const known = new Set<string>();
  for (const { address, nodeAddress, port } of catalog.instances(name) ?? []) {
    const text = address || nodeAddress;
    const judged = network.judge(text);
    known.add(locationOf(hostKey(text), port));
    if ('address' in judged) known.add(locationOf(judged.address, port));
  }
  const isKnown = ({ address, port, host }: Place) =>
    known.has(locationOf(address, port)) || (host !== '' && known.has(locationOf(hostKey(host), port)));
  const held = new Map<string, MirroredEndpoint>();
  for (const place of placesIn(carriers)) {
    const judged = network.judge(place.address);
    if ('address' in judged && !isKnown(place))
      held.set(locationOf(place.address, place.port), { ...place, ...judged, instance: undefined });
  }
  return [...held.values()];
}

export function withEndpoints(mirrored: MirroredService, more: readonly MirroredEndpoint[]): MirroredService {
  return { ...mirrored, endpoints: [...mirrored.endpoints, ...more] };
}

/** Slices last: they know the zone. */
function* placesIn({ slices, workloadEntries }: Carriers): Generator<Place> {
  for (const { address, ports, annotations } of workloadEntries) {
    const port = ports.get(MAIN_PORT);
    const host = readHosts({ annotations, endpoints: [{ address }] }).get(address) ?? '';
    if (port !== undefined) yield { address, port, host, zone: '' };
  }
  for (const slice of slices) {
    const [port] = slice.ports;
    const hosts = readHosts(slice);
    if (port)
      for (const { address, zone } of slice.endpoints)
        yield { address, port: port.port, zone, host: hosts.get(address) ?? '' };
  }
}

import { hostKey, locationOf } from '../../address.ts';
import type { ToKubernetesConfig } from '../../config/schema.ts';
import { protocolOf } from '../../consul/protocol.ts';
import type { EndpointSlice, WorkloadEntry } from '../../kubernetes/objects.ts';
import type { Addresses } from '../addresses/addresses.ts';
import { PORT_NAMES } from '../desired/mirrored-ports.ts';
import type { MirroredEndpoint, MirroredService } from '../desired/mirrored-service.ts';
import { readHosts } from '../objects/hosts-annotation.ts';
import { consulServiceOf } from '../requests/tag-services.ts';
import type { PlanSources } from './sources.ts';

/** The objects of ours that carry the addresses of one Service. */
export interface Carriers {
  readonly slices: readonly EndpointSlice[];
  readonly workloadEntries: readonly WorkloadEntry[];
}

interface HeldSources extends Pick<PlanSources, 'catalog'> {
  readonly config: Pick<ToKubernetesConfig, 'tagServices'>;
  readonly addresses: Pick<Addresses, 'network'>;
}

/** An endpoint as it is. */
type Place = Pick<MirroredEndpoint, 'address' | 'port' | 'protocol' | 'zone' | 'host'>;

/**
 * The endpoints that stay although Consul does not show an instance for them, because it may have lost it
 * (`Catalog.isComplete`, and of each endpoint `Catalog.stays`):
 *
 * | what Consul has of the service                         | an endpoint that is there |
 * |--------------------------------------------------------|---------------------------|
 * | all that there is                                      | none stays for this reason |
 * | an instance at that place, well or not, mirrored or not | none: the instance decides |
 * | no instance there, or one that `filter` leaves out, and the address may be an endpoint | stays, if Consul may have lost just this |
 * | no instance there, and the address may be none any more | goes                      |
 *
 * A daemon that runs keeps such instances by itself; this is for what an earlier run has written.
 * @param isImport behind a port of somebody else's Service, where the protocol is that port's and not the instance's
 */
export function heldEndpoints(
  { config, catalog, addresses }: HeldSources,
  name: string,
  carriers: Carriers,
  isImport = false,
): MirroredEndpoint[] {
  if (catalog.isComplete(name)) return [];
  const network = addresses.network();
  const keyOf = (address: string, port: number, protocol: string) =>
    `${locationOf(hostKey(address), port)} ${isImport ? '' : protocol}`;
  const known = new Set<string>();
  // Of a single tag all instances of its service decide: one that lost the tag is not missing.
  const service = consulServiceOf(config.tagServices, name);
  for (const instance of catalog.instances(service) ?? []) {
    const { address, nodeAddress, port, isLeftOut } = instance;
    // Who has not seen all that there is may have asked with too few rights which instances the filter selects.
    if (isLeftOut) continue;
    const text = address || nodeAddress;
    const judged = network.judge(text);
    for (const one of [text, ...('address' in judged ? [judged.address] : [])])
      known.add(keyOf(one, port, protocolOf(instance)));
  }
  const held = new Map<string, MirroredEndpoint>();
  for (const place of placesIn(carriers)) {
    const { address, port, protocol, host } = place;
    const judged = network.judge(address);
    const isKnown = [address, ...(host === '' ? [] : [host])].some((one) => known.has(keyOf(one, port, protocol)));
    if ('address' in judged && !isKnown && catalog.stays(service, host || address, port))
      held.set(`${locationOf(address, port)} ${protocol}`, { ...place, ...judged, instance: undefined });
  }
  return [...held.values()];
}

export function withEndpoints(mirrored: MirroredService, more: readonly MirroredEndpoint[]): MirroredService {
  return { ...mirrored, endpoints: [...mirrored.endpoints, ...more] };
}

/** Slices last: they know the zone. */
function* placesIn({ slices, workloadEntries }: Carriers): Generator<Place> {
  for (const { address, ports, annotations } of workloadEntries) {
    const port = ports.get(PORT_NAMES.TCP.main);
    const host = readHosts({ annotations, endpoints: [{ address }] }).get(address) ?? '';
    if (port !== undefined) yield { address, port, protocol: 'TCP', host, zone: '' };
  }
  for (const slice of slices) {
    const [port] = slice.ports;
    const hosts = readHosts(slice);
    if (port)
      for (const { address, zone, ready } of slice.endpoints)
        // What is not ready was lost before, and is kept.
        if (ready) yield { address, port: port.port, protocol: port.protocol, zone, host: hosts.get(address) ?? '' };
  }
}

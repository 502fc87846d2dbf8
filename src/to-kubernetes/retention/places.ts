import { hostKey, locationOf } from '../../address.ts';
import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { ANNOTATION, ownsObject, type Owner } from '../../mark.ts';
import { isHealthy } from '../desired/mirrored-service.ts';
import { PORT_NAMES } from '../desired/mirrored-ports.ts';
import { readHosts } from '../objects/hosts-annotation.ts';
import { instancesToMirror } from '../requests/selection.ts';
import { consulServiceOf } from '../requests/tag-services.ts';
import type { Views } from '../views.ts';
import type { Answered } from './vanished.ts';

/** An address, or the host name that stands for addresses, and a port as one text. */
export function placeOf(address: string, port: number): string {
  return locationOf(hostKey(address), port);
}

export function placeOfInstance({ address, nodeAddress, port }: ServiceInstance): string {
  return placeOf(address || nodeAddress, port);
}

/** What of a Consul service is mirrored, or taken in, by its places. */
export function answeredOf(
  instances: readonly ServiceInstance[],
  isWhole: boolean,
  cluster: string,
  config: ToKubernetesConfig,
): Answered {
  const serving = instancesToMirror(instances, cluster, config).filter((instance) => isHealthy(instance, config));
  return {
    serving: new Map(serving.map((instance) => [placeOfInstance(instance), instance])),
    // That the filter does not select an instance is believed with the whole.
    places: new Set(instances.filter(({ isLeftOut }) => isWhole || !isLeftOut).map(placeOfInstance)),
    isWhole,
  };
}

/**
 * The places of all endpoints that we have written, by lower-case Consul service. What was written for a tag which the settings
 * do not name any more is not among them: it is to go, and no loss.
 */
export function writtenPlaces(
  owner: Owner,
  { endpointSlices, workloadEntries }: Pick<Views, 'endpointSlices' | 'workloadEntries'>,
  { tagServices }: Pick<ToKubernetesConfig, 'tagServices'>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const written = new Map<string, Set<string>>();
  const add = (annotations: ReadonlyMap<string, string>, address: string, host: string | undefined, port: number) => {
    const name = annotations.get(ANNOTATION.consulService) ?? annotations.get(ANNOTATION.importedFrom);
    if (name === undefined) return;
    const service = consulServiceOf(tagServices, name.toLowerCase());
    written.set(service, (written.get(service) ?? new Set()).add(placeOf(host ?? address, port)));
  };
  for (const slice of endpointSlices.values()) {
    const [port] = slice.ports;
    if (!port || !ownsObject(owner, slice.labels)) continue;
    const hosts = readHosts(slice);
    // What is not ready was lost before, and is kept.
    for (const { address, ready } of slice.endpoints)
      if (ready) add(slice.annotations, address, hosts.get(address), port.port);
  }
  const entries = [...(workloadEntries.found?.views.values() ?? [])].flatMap((view) => [...view.values()]);
  for (const { labels, annotations, address, ports } of entries) {
    const port = ports.get(PORT_NAMES.TCP.main);
    const host = readHosts({ annotations, endpoints: [{ address }] }).get(address);
    if (port !== undefined && ownsObject(owner, labels)) add(annotations, address, host, port);
  }
  for (const name of [...written.keys()].filter((name) => isOfATag(name, written))) written.delete(name);
  return written;
}

/** A name `service/tag`, of a service that has endpoints too. Consul lets anybody register a service with a slash. */
function isOfATag(name: string, written: ReadonlyMap<string, unknown>): boolean {
  return name.split('/').some((_, i, parts) => i > 0 && written.has(parts.slice(0, i).join('/')));
}

import type { MirroredEndpoint, MirroredService } from '../desired/mirrored-service.ts';
import type { EndpointPort, Protocol } from '../../kubernetes/objects.ts';
import { namedPorts } from '../desired/mirrored-ports.ts';

/** What an endpoint is called at. */
export type Target = Pick<MirroredEndpoint, 'port' | 'protocol'>;

/** An endpoint in an object, as it is or as it should be. */
export interface Place {
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** The same target port under every name that the Service has for the protocol: slices are joined to Service ports by name. */
export function endpointPorts({ ports }: Pick<MirroredService, 'ports'>, { port, protocol }: Target): EndpointPort[] {
  return namedPorts(ports)
    .filter((named) => named.protocol === protocol)
    .map(({ name, appProtocol }) => ({ name, port, protocol, appProtocol }));
}

/** The place at that address behind a port of a slice or a subset. */
export function placeBehind({ port, protocol }: EndpointPort, address: string): Place {
  return { address, port, protocol };
}

/** The same for the same place. */
export function textOf({ address, port, protocol }: Place): string {
  return `${address} ${port} ${protocol}`;
}

export function samePort(a: EndpointPort, b: EndpointPort): boolean {
  return a.name === b.name && a.port === b.port && a.protocol === b.protocol && a.appProtocol === b.appProtocol;
}

export function sameList<A, B>(a: readonly A[], b: readonly B[], same: (a: A, b: B) => boolean): boolean {
  return a.length === b.length && a.every((item, i) => same(item, b[i] as B));
}

export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

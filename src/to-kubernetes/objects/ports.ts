import type { MirroredService } from '../desired/mirrored-service.ts';
import type { EndpointPort } from '../../kubernetes/objects.ts';
import { MAIN_PORT, ALIAS_PORT } from '../desired/mirrored-ports.ts';

/** The same target port under every name of the Service: slices are joined to Service ports by name. */
export function endpointPorts({ ports, appProtocol }: MirroredService, port: number): EndpointPort[] {
  const named = (name: string): EndpointPort => ({ name, port, protocol: 'TCP', appProtocol });
  return [named(MAIN_PORT), ...(ports.alias === undefined ? [] : [named(ALIAS_PORT)])];
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

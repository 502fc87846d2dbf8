import type { ServiceInstance } from '../../../src/consul/types.ts';
import type {
  Endpoints,
  EndpointSlice,
  KubernetesObject,
  Service,
  ServiceCIDR,
} from '../../../src/kubernetes/objects.ts';
import { objectKey } from '../../../src/kubernetes/objects.ts';
import { View } from '../../../src/kubernetes/view.ts';
import type { Hosts } from '../../../src/to-kubernetes/addresses/addresses.ts';
import type { Catalog, Views } from '../../../src/to-kubernetes/views.ts';

export function viewOf<T extends KubernetesObject>(...objects: readonly T[]): View<T> {
  return new View(new Map(objects.map((object) => [objectKey(object), object])));
}

/** What this direction sees, with the given objects in it and v1 Endpoints of the namespace shop. */
export function views(given: {
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  readonly endpoints?: readonly Endpoints[];
  readonly serviceCIDRs?: readonly ServiceCIDR[];
}): Views {
  return {
    services: viewOf(...(given.services ?? [])),
    endpointSlices: viewOf(...(given.slices ?? [])),
    endpoints: new Map([['shop', viewOf(...(given.endpoints ?? []))]]),
    serviceCIDRs: given.serviceCIDRs && viewOf(...given.serviceCIDRs),
    workloadEntries: {
      isServed: false,
      found: undefined,
      absence: 'not served here',
      subscribe: () => undefined,
      lookAgain: () => undefined,
    },
    pods: () => undefined,
  };
}

export function serviceCIDR(name: string, ...cidrs: string[]): ServiceCIDR {
  const none: ReadonlyMap<string, string> = new Map();
  return {
    ...{ namespace: '', name, uid: `uid-of-${name}`, resourceVersion: '1', deletionTimestamp: '' },
    ...{ labels: none, annotations: none, cidrs },
  };
}

/** Where all host names are unknown for good. */
export const NO_HOSTS: Hosts = { known: () => ({ addresses: [], failure: 'nobody knows' }) };

/** Consul as the planners see it: by lower-case name. What is not there was not read. */
export function catalogOf(services: ReadonlyMap<string, readonly ServiceInstance[]>): Catalog {
  return {
    names: () => [...services.keys()],
    spelling: (name) => name,
    instances: (name) => services.get(name),
  };
}

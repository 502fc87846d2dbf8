import type { ServiceInstance } from '../../../src/consul/types.ts';
import type {
  Endpoints,
  EndpointSlice,
  KubernetesObject,
  Service,
  ServiceCIDR,
  WorkloadEntry,
} from '../../../src/kubernetes/objects.ts';
import { objectKey } from '../../../src/kubernetes/objects.ts';
import { WatchedView } from '../../../src/kubernetes/view.ts';
import type { Hosts } from '../../../src/to-kubernetes/addresses/addresses.ts';
import { WORKLOAD_ENTRIES } from './plain-api.ts';
import type { Catalog, Views } from '../../../src/to-kubernetes/views.ts';

export function viewOf<T extends KubernetesObject>(...objects: readonly T[]): WatchedView<T> {
  return new WatchedView(new Map(objects.map((object) => [objectKey(object), object])));
}

/** What this direction sees, with the given objects in it and v1 Endpoints of the namespace shop. */
export function views(given: {
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  readonly endpoints?: readonly Endpoints[];
  readonly serviceCIDRs?: readonly ServiceCIDR[];
}): Views & {
  readonly services: WatchedView<Service>;
  readonly endpointSlices: WatchedView<EndpointSlice>;
  readonly serviceCIDRs: WatchedView<ServiceCIDR> | undefined;
  readonly namespaces: ReturnType<typeof namespaces>;
} {
  return {
    services: viewOf(...(given.services ?? [])),
    endpointSlices: viewOf(...(given.slices ?? [])),
    endpoints: new Map([['shop', viewOf(...(given.endpoints ?? []))]]),
    namespaces: namespaces(),
    serviceCIDRs: given.serviceCIDRs && viewOf(...given.serviceCIDRs),
    workloadEntries: {
      isServed: false,
      found: undefined,
      absence: 'not served here',
      absenceIn: () => 'not served here',
      subscribe: () => undefined,
      lookAgain: () => undefined,
    },
    pods: () => undefined,
  };
}

/** The namespaces that are written to, which a test closes and opens; at first they are open. */
export function namespaces() {
  const listeners = new Set<() => void>();
  const closed = new Map<string, string>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  return {
    closed,
    isThere: () => true,
    isClosedNow: (name: string) => Promise.resolve(closed.has(name)),
    subscribe: (listener: () => void) => void listeners.add(listener),
    close(name: string, why = 'there is no such namespace'): void {
      closed.set(name, why);
      tell();
    },
    open(name: string): void {
      closed.delete(name);
      tell();
    },
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

/**
 * Consul as the planners see it: by lower-case name. What is not there was not read.
 * @param incomplete names of which Consul may have lost instances
 */
export function catalogOf(
  services: ReadonlyMap<string, readonly ServiceInstance[]>,
  incomplete: ReadonlySet<string> = new Set(),
): Catalog {
  return {
    names: () => [...services.keys()],
    spelling: (name) => name,
    instances: (name) => services.get(name),
    isComplete: (name) => services.has(name) && !incomplete.has(name),
    stays: (name) => !services.has(name) || incomplete.has(name),
  };
}

/** WorkloadEntries of the namespace shop, a kind that a test finds and loses; at first it is not there. */
export function workloadEntries() {
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  const kind = {
    isServed: false,
    found: undefined as Views['workloadEntries']['found'],
    absence: 'not served here',
    absenceIn: (namespace: string): string => (kind.found?.views.has(namespace) ? '' : kind.absence),
    looks: 0,
    subscribe: (listener: () => void) => void listeners.add(listener),
    lookAgain: () => void kind.looks++,
    find(...entries: WorkloadEntry[]): WatchedView<WorkloadEntry> {
      const view = viewOf(...entries);
      Object.assign(kind, { isServed: true, absence: '' });
      kind.found = { resource: WORKLOAD_ENTRIES, views: new Map([['shop', view]]) };
      tell();
      return view;
    },
    lose(why: string): void {
      Object.assign(kind, { isServed: false, found: undefined, absence: why });
      tell();
    },
  };
  return kind;
}

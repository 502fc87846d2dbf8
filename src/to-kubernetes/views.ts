import type { ServiceInstance } from '../consul/types.ts';
import type { Endpoints, EndpointSlice, Pod, Service, ServiceCIDR, WorkloadEntry } from '../kubernetes/objects.ts';
import type { OptionalKind } from '../kubernetes/optional-kind.ts';
import type { WritableNamespaces } from '../kubernetes/writable-namespaces.ts';
import type { View } from '../kubernetes/view.ts';

/** What this direction sees of Kubernetes. */
export interface Views {
  readonly services: View<Service>;
  readonly endpointSlices: View<EndpointSlice>;
  /** v1 Endpoints with our mark, by namespace; only of the namespaces that we write to, while they are open. */
  readonly endpoints: ReadonlyMap<string, View<Endpoints>>;
  /** Those that we write to. What is in one that is closed is not known as a whole, and is left as it is. */
  readonly namespaces: Pick<WritableNamespaces<Endpoints>, 'closed' | 'isThere' | 'isClosedNow' | 'subscribe'>;
  /** Undefined where the API server does not know the kind. */
  readonly serviceCIDRs: View<ServiceCIDR> | undefined;
  /** Those with our mark, in the same namespaces, where Istio is there. */
  readonly workloadEntries: Pick<
    OptionalKind<WorkloadEntry>,
    'isServed' | 'found' | 'absence' | 'absenceIn' | 'subscribe' | 'lookAgain'
  >;
  /** Read where WorkloadEntries are found, and not before. */
  readonly pods: () => View<Pod> | undefined;
}

/** What this direction asks of Consul's catalog: names are lower case. */
export interface Catalog {
  names(): readonly string[];
  spelling(name: string): string;
  instances(name: string): readonly ServiceInstance[] | undefined;
  /** False while Consul may have more instances than it shows, because it lost data or nobody knows whether it did. */
  isComplete(name: string): boolean;
  /**
   * Whether an endpoint stays where Consul shows no instance: it may have lost that.
   * @param address or the host name that the endpoint was resolved from
   */
  stays(name: string, address: string, port: number): boolean;
}

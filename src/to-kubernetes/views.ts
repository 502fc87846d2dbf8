import type { ServiceInstance } from '../consul/types.ts';
import type { Endpoints, EndpointSlice, Service, ServiceCIDR } from '../kubernetes/objects.ts';
import type { View } from '../kubernetes/view.ts';

/** What this direction sees of Kubernetes. */
export interface Views {
  readonly services: View<Service>;
  readonly endpointSlices: View<EndpointSlice>;
  /** v1 Endpoints with our mark, by namespace; only of the namespaces that we write to. */
  readonly endpoints: ReadonlyMap<string, View<Endpoints>>;
  /** Undefined where the API server does not know the kind. */
  readonly serviceCIDRs: View<ServiceCIDR> | undefined;
}

/** What this direction asks of Consul's catalog: names are lower case. */
export interface Catalog {
  names(): readonly string[];
  spelling(name: string): string;
  instances(name: string): readonly ServiceInstance[] | undefined;
}

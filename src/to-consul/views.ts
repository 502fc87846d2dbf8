import type { EndpointSlice, Node, Pod, Service } from '../kubernetes/objects.ts';
import type { View } from '../kubernetes/view.ts';

/** What this direction sees of Kubernetes. */
export interface Views {
  readonly pods: View<Pod>;
  readonly services: View<Service>;
  readonly endpointSlices: View<EndpointSlice>;
  readonly nodes: View<Node>;
}

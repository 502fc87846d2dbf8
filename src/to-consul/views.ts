import {
  objectKey,
  type Endpoint,
  type EndpointSlice,
  type Node,
  type Pod,
  type Service,
} from '../kubernetes/objects.ts';
import type { View } from '../kubernetes/view.ts';
import { isMarkedObject } from '../mark.ts';

/** What this direction sees of Kubernetes. */
export interface Views {
  readonly pods: View<Pod>;
  readonly services: View<Service>;
  readonly endpointSlices: View<EndpointSlice>;
  readonly nodes: View<Node>;
}

/**
 * The pods that a slice targets; none for a slice of ours, which came out of Consul. A target in another namespace is
 * none either: whoever may write slices in one namespace must not register the pods of another.
 */
export function podsOfSlice(slice: EndpointSlice): string[] {
  if (isMarkedObject(slice.labels)) return [];
  return slice.endpoints.flatMap(({ target }) =>
    target && isPodHere(slice, target) ? [objectKey({ namespace: slice.namespace, name: target.name })] : [],
  );
}

/** Whether the target of an endpoint is a pod in the namespace of the slice. */
export function isPodHere(slice: EndpointSlice, target: Endpoint['target']): boolean {
  return target?.kind === 'Pod' && (target.namespace === '' || target.namespace === slice.namespace);
}

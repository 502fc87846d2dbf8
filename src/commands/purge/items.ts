/** Something of ours in one of both systems. */
export interface Item {
  /** ServiceInstance, Node, Key in Consul; Service, EndpointSlice, Endpoints, WorkloadEntry, Lease in Kubernetes. */
  readonly kind: string;
  /** `node/id` of an instance, the name of a node or key, `namespace/name` of anything in Kubernetes. */
  readonly object: string;
}

/** What stays, and why: because it is not for us to remove, could not be removed, or could not even be looked at. */
export interface Remaining extends Item {
  readonly why: string;
  /** It stays for the sake of others, whenever it is tried: there is nothing of ours in it that could go. */
  readonly isForOthers?: true;
}

/** For sets and maps. */
export function itemKey({ kind, object }: Item): string {
  return `${kind} ${object}`;
}

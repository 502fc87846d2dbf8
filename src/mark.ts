/**
 * The one place that knows Consular's mark: what it stamps on everything it writes, in either system, and how it
 * recognises its own work. A tag alone or a name alone has made other registrars delete each other's entries, so
 * ownership is always: managed by Consular, in this cluster, and (in Consul, on the node) with this cluster's uid. On a Consul
 * node with these marks, IDs of the form that Consular makes are its own too, even if somebody wrote over their meta.
 */
export const MANAGED_BY = 'consular';

/** Who writes: the installation. `clusterUid` is the uid of a namespace, by default kube-system. */
export interface Owner {
  readonly cluster: string;
  readonly clusterUid: string;
}

/** Meta keys in Consul, on service instances and on nodes. */
export const META = {
  externalSource: 'external-source',
  managedBy: 'managed-by',
  cluster: 'k8s-cluster',
  clusterUid: 'k8s-cluster-uid',
  namespace: 'k8s-namespace',
  pod: 'k8s-pod',
  podUid: 'k8s-pod-uid',
  node: 'k8s-node',
  workload: 'k8s-workload',
  service: 'k8s-service',
} as const;

/** Prefix of the annotations that people write, where the settings say no other (`annotationPrefix`). */
export const DEFAULT_ANNOTATION_PREFIX = 'consular.dev';

/**
 * Labels and annotations in Kubernetes that Consular itself writes. They are the same with every `annotationPrefix`: the name of
 * the cluster tells two installations apart, and what was written under an earlier prefix stays known.
 */
export const LABEL = {
  managedBy: 'app.kubernetes.io/managed-by',
  cluster: 'consular.dev/cluster',
  sliceManagedBy: 'endpointslice.kubernetes.io/managed-by',
  headless: 'service.kubernetes.io/headless',
  /** On v1 Endpoints whose addresses are in slices already. */
  skipMirror: 'endpointslice.kubernetes.io/skip-mirror',
  /** Ties a WorkloadEntry to its Service; no pod has it. */
  workloadOf: 'consular.dev/workload-of',
} as const;
export const ANNOTATION = {
  consulService: 'consular.dev/consul-service',
  /** In its place on the slices of a Service that is somebody else's. */
  importedFrom: 'consular.dev/imported-from',
  /** The numbers of a mirrored Service's ports when it was made; they stay. */
  portChoice: 'consular.dev/port-choice',
  /** On a slice or WorkloadEntry: which of its addresses were host names in Consul, so that a restart need not ask DNS first. */
  hosts: 'consular.dev/hosts',
  /** On a slice: the index of Consul's list of services when it was written, so that a restart notices a Consul that went back. */
  consulIndex: 'consular.dev/consul-index',
  /** On a mirrored Service: the tags that its instances have in Consul. */
  consulTags: 'consular.dev/consul-tags',
  /** On the Lease: the epoch of the fence, as its leader moved it last. */
  epoch: 'consular.dev/epoch',
  /** On the Lease: the nonce of Consular's own entry in Consul. */
  nonce: 'consular.dev/nonce',
  /** On the Lease: what an operator asks the leader to let go; the leader takes it away. */
  release: 'consular.dev/release',
  /** On the Lease: what the leader made of the last such request. */
  released: 'consular.dev/released',
  /** On the Lease: off, by an operator, while nothing is to be written in either system. */
  writes: 'consular.dev/writes',
  /** Kubernetes' own word, on v1 Endpoints that do not show all addresses. */
  overCapacity: 'endpoints.kubernetes.io/over-capacity',
  /** Tells the catalog sync of consul-k8s, where that runs too, to leave a Service out: it came from Consul. */
  consulK8sSync: 'consul.hashicorp.com/service-sync',
} as const;
/** Value of the EndpointSlice managed-by label: a domain of our own, so that no built-in controller touches them. */
export const SLICE_MANAGER = 'consular.dev';

/** Keys of annotations that Consular writes, or reads as Kubernetes' own. */
export const KNOWN_ANNOTATIONS: ReadonlySet<string> = new Set(Object.values(ANNOTATION));

type Strings = ReadonlyMap<string, string>;

/** A Consul node that this installation made. */
export function ownsNode(owner: Owner, meta: Strings): boolean {
  return (
    meta.get(META.managedBy) === MANAGED_BY &&
    meta.get(META.cluster) === owner.cluster &&
    meta.get(META.clusterUid) === owner.clusterUid
  );
}

/** A service instance that Consular made for this cluster; only meaningful on a node that `ownsNode` accepts. */
export function ownsInstance(owner: Owner, meta: Strings): boolean {
  return meta.get(META.managedBy) === MANAGED_BY && meta.get(META.cluster) === owner.cluster;
}

/** A Kubernetes object that Consular made for this cluster. Taking the label away lets the object go. */
export function ownsObject(owner: Owner, labels: Strings): boolean {
  return labels.get(LABEL.managedBy) === MANAGED_BY && labels.get(LABEL.cluster) === owner.cluster;
}

/** Made by a Consular of any cluster: never a source for the other direction. */
export function isMarkedObject(labels: Strings): boolean {
  return labels.get(LABEL.managedBy) === MANAGED_BY;
}

/** A service instance that the Consular of another cluster made. */
export function isOfOtherCluster(cluster: string, meta: Strings): boolean {
  return meta.get(META.managedBy) === MANAGED_BY && meta.get(META.cluster) !== cluster;
}

/**
 * What consul-k8s writes on what it registers, each time: its catalog sync the meta of the UI's badge, which annotations may
 * overwrite, and the namespace, its mesh a meta of its own. The tag `k8s` of the catalog sync is a word that anybody uses.
 */
const CONSUL_K8S = { namespace: 'external-k8s-ns', managedBy: 'consul-k8s-endpoints-controller' };

/** A service instance that came out of Kubernetes, by Consular of any cluster or by consul-k8s: never mirrored back. */
export function cameFromKubernetes({ meta }: { readonly meta: Strings }): boolean {
  const managedBy = meta.get(META.managedBy);
  return (
    managedBy === MANAGED_BY ||
    managedBy === CONSUL_K8S.managedBy ||
    meta.get(META.externalSource) === 'kubernetes' ||
    meta.has(CONSUL_K8S.namespace)
  );
}

/** A service instance that the catalog sync of consul-k8s registered, on whatever node. */
export function isOfCatalogSync({ meta }: { readonly meta: Strings }): boolean {
  return meta.has(CONSUL_K8S.namespace);
}

/**
 * The instances that `ownsInstance` refuses, without proxies and gateways, in the words of Consul's filters; a missing key is
 * different from any value.
 */
export function othersFilter(owner: Owner): string {
  return `ServiceKind == "" and (ServiceMeta["${META.managedBy}"] != "${MANAGED_BY}" or ServiceMeta["${META.cluster}"] != "${owner.cluster}")`;
}

/** The labels that mark an object as this installation's. */
export function ownershipLabels(owner: Owner): Record<string, string> {
  return { [LABEL.managedBy]: MANAGED_BY, [LABEL.cluster]: owner.cluster };
}

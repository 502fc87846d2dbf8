/**
 * What Consular keeps of Kubernetes objects: the fields it uses and nothing else, in the words of the Kubernetes API.
 * Whole objects would cost about 28 KB a pod; these cost well under one.
 */
export interface KubernetesObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly deletionTimestamp: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
}

/** `namespace/name`, or `name` where there is no namespace. */
export function objectKey(object: { readonly namespace: string; readonly name: string }): string {
  return object.namespace === '' ? object.name : `${object.namespace}/${object.name}`;
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** Of a pod without readiness gates only those labels are kept that somebody reads. */
export interface Pod extends KubernetesObject {
  readonly nodeName: string;
  readonly hostIP: string;
  readonly hostNetwork: boolean;
  readonly phase: string;
  /** status.podIPs, the pod's preferred family first. */
  readonly podIPs: readonly string[];
  /** status.startTime, RFC 3339: when a kubelet took the pod; empty before. */
  readonly startTime: string;
  readonly owner: { readonly kind: string; readonly name: string } | undefined;
  readonly ready: Condition | undefined;
  /** Types of conditions that Ready waits for beside the containers (KEP-580). */
  readonly readinessGates: readonly string[];
  /** Status of the other conditions by type; kept of pods with readiness gates only. */
  readonly conditions: ReadonlyMap<string, string>;
  /** Those of the application in the order of the manifest, then native sidecars: in this order Kubernetes finds a port by its name. */
  readonly containers: readonly Container[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  /** A native sidecar (KEP-753): an init container that goes on running. Init containers that end are not kept. */
  readonly isSidecar: boolean;
  /** The one that the annotation `kubectl.kubernetes.io/default-container` names. */
  readonly isDefault: boolean;
  /** Istio says that it put this container into the pod, in the annotation `sidecar.istio.io/status`. */
  readonly isIstios: boolean;
  readonly ports: readonly ContainerPort[];
  /** In the order of the manifest; kept only of containers that have a variable which somebody here reads. */
  readonly env: readonly EnvVar[];
}

export interface EnvVar {
  readonly name: string;
  /** Empty when the value comes from somewhere else, or when it is empty. */
  readonly value: string;
  /** Of a value that comes from somewhere else: `valueFrom.fieldRef.fieldPath`, empty when that is no field. Else undefined. */
  readonly fieldPath: string | undefined;
}

export interface Condition {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

export interface ContainerPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
}

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly targetPort: string;
  readonly appProtocol: string;
}

export interface Service extends KubernetesObject {
  readonly type: string;
  readonly clusterIPs: readonly string[];
  /** Empty for an ExternalName. */
  readonly ipFamilyPolicy: string;
  readonly internalTrafficPolicy: string;
  /** Empty when every endpoint is as good as any other. */
  readonly trafficDistribution: string;
  readonly selector: ReadonlyMap<string, string>;
  readonly ports: readonly ServicePort[];
}

export interface EndpointPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly appProtocol: string;
}

export interface Endpoint {
  readonly address: string;
  /** A missing `ready` means ready, and so on (discovery/v1). */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zone: string;
  readonly target: { readonly kind: string; readonly namespace: string; readonly name: string } | undefined;
}

export interface EndpointSlice extends KubernetesObject {
  readonly addressType: string;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
  readonly ownerUid: string;
}

export interface EndpointSubset {
  readonly addresses: readonly string[];
  readonly ports: readonly EndpointPort[];
}

/** The deprecated v1 Endpoints, still read by older clients. */
export interface Endpoints extends KubernetesObject {
  readonly subsets: readonly EndpointSubset[];
  readonly ownerUid: string;
}

/** Ranges that ClusterIPs come from, one for each IP family; Kubernetes 1.33 and later have the kind. */
export interface ServiceCIDR extends KubernetesObject {
  readonly cidrs: readonly string[];
}

/** Istio's: an address that a Service can select although no pod has it. A custom resource. */
export interface WorkloadEntry extends KubernetesObject {
  readonly address: string;
  /** By the name of the Service's target port. */
  readonly ports: ReadonlyMap<string, number>;
  /** spec.labels: what Istio knows the address by, together with the object's own labels. */
  readonly workloadLabels: ReadonlyMap<string, string>;
  readonly locality: string;
  /** Undefined where none is written, which means 1. */
  readonly weight: number | undefined;
  /** Empty for an address without a sidecar. */
  readonly serviceAccount: string;
  readonly ownerUid: string;
}

export interface Node extends KubernetesObject {
  /** The first of them; empty when it has none. */
  readonly internalIP: string;
  /** Status of its condition Ready: Unknown when the control plane does not hear of it; empty when it has none. */
  readonly ready: string;
}

/** Ties an EndpointSlice to its Service (discovery/v1). */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** Made for the slices of other clusters: Istio's sidecars pass over every slice that has it, kube-proxy does not look at it. */
export const MULTICLUSTER_SERVICE_LABEL = 'multicluster.kubernetes.io/service-name';
/** Ties a pod to one version of its Deployment's template (apps/v1). */
export const TEMPLATE_HASH_LABEL = 'pod-template-hash';
export const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** The Service that a slice belongs to, as its key. */
export function serviceKeyOf(slice: EndpointSlice): string {
  return objectKey({ namespace: slice.namespace, name: slice.labels.get(SERVICE_NAME_LABEL) ?? '' });
}

/** The zone of a node, or of a pod to which Kubernetes copied the label (1.35 and later); an empty string where there is none. */
export function zoneOf(object: Pick<KubernetesObject, 'labels'> | undefined): string {
  return object?.labels.get(ZONE_LABEL) ?? '';
}

/** `Deployment/orders` for a pod of its ReplicaSet (whose name is the Deployment's plus the template's hash), else the owner itself. */
export function workloadOf(pod: Pod): string {
  if (!pod.owner) return '';
  const suffix = `-${pod.labels.get(TEMPLATE_HASH_LABEL) ?? ''}`;
  const { kind, name } = pod.owner;
  return kind === 'ReplicaSet' && suffix !== '-' && name.endsWith(suffix)
    ? `Deployment/${name.slice(0, -suffix.length)}`
    : `${kind}/${name}`;
}

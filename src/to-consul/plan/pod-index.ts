import { selects } from '../../config/pattern.ts';
import {
  objectKey,
  serviceKeyOf,
  zoneOf,
  type EndpointSlice,
  type KubernetesObject,
  type Pod,
  type Service,
} from '../../kubernetes/objects.ts';
import { Index } from '../../kubernetes/view.ts';
import { isMarkedObject } from '../../mark.ts';
import type { DesiredConfig, PlanSources } from '../desired/desired-registrations.ts';
import { isShut, selectsPod, servedGate } from '../desired/readiness.ts';
import { askedByService, type AnnotatedService } from '../requests/requests.ts';
import { isPodHere, podsOfSlice, type Views } from '../views.ts';
import { AddressHolders } from './address-holders.ts';
import { NodeAddresses } from './node-addresses.ts';

type PodIndexConfig = Pick<DesiredConfig, 'namespaces' | 'readinessGate' | 'annotationPrefix'>;

/** Which pods an object of another kind concerns, and which objects decide what a pod is in Consul. */
export class PodIndex {
  readonly #config: PodIndexConfig;
  readonly #views: Views;
  readonly #slicesOfPod: Index<EndpointSlice>;
  readonly #slicesOfService: Index<EndpointSlice>;
  readonly #podsOfNode: Index<Pod>;
  readonly #nodeAddresses: NodeAddresses;
  readonly #addressHolders: AddressHolders;
  /** Of a gate: annotated Services and pods with a shut gate, by namespace. Without a gate nobody looks at them. */
  readonly #asking: Index<Service> | undefined;
  readonly #shut: Index<Pod> | undefined;
  /** Undefined while no gate is served. */
  readonly #gate: string | undefined;

  constructor(config: PodIndexConfig, views: Views) {
    this.#config = config;
    this.#views = views;
    this.#slicesOfPod = new Index(views.endpointSlices, podsOfSlice);
    // Ours came out of Consul: they are no source, and no mistake of the Service's owner.
    this.#slicesOfService = new Index(views.endpointSlices, (slice) =>
      isMarkedObject(slice.labels) ? [] : [serviceKeyOf(slice)],
    );
    this.#podsOfNode = new Index(views.pods, (pod) => [pod.nodeName]);
    this.#nodeAddresses = new NodeAddresses(views.pods, views.nodes);
    this.#addressHolders = new AddressHolders(views.pods);
    const gate = (this.#gate = servedGate(config));
    if (gate === undefined) return;
    const { annotationPrefix } = config;
    this.#asking = new Index(views.services, (service) =>
      askedByService(service, annotationPrefix) ? [service.namespace] : [],
    );
    this.#shut = new Index(views.pods, (pod) => (isShut(pod, gate) ? [pod.namespace] : []));
  }

  /** Those that a Service has in its slices, and those that wait for it with a shut gate. */
  podsOfService(service: Service): Iterable<string> {
    const waiting = this.#shut?.get(service.namespace).filter((pod) => selectsPod(service, pod)) ?? [];
    return [...this.#slicesOfService.get(objectKey(service)).flatMap(podsOfSlice), ...waiting.map(objectKey)];
  }

  podsOfNode(node: KubernetesObject): Iterable<string> {
    return this.#podsOfNode.get(node.name).map(objectKey);
  }

  /** Other pods to which an address of the pod was given after it. */
  heirsToAddress(pod: Pod): string[] {
    return this.#addressHolders.heirs(pod);
  }

  /** Other pods that say that they have an address of the pod: of one of them it is not the address any more. */
  sharingAddress(pod: Pod): string[] {
    return this.#addressHolders.besides(pod);
  }

  /** Addresses in the slices of an annotated Service that belong to no pod, and so cannot be registered. */
  addressesWithoutPod(service: Service): string[] {
    const { namespaces, annotationPrefix } = this.#config;
    if (!selects(namespaces, service.namespace) || !askedByService(service, annotationPrefix)) return [];
    return this.#slicesOfService
      .get(objectKey(service))
      .flatMap((slice) =>
        slice.endpoints.filter(({ target }) => !isPodHere(slice, target)).map(({ address }) => address),
      );
  }

  /** Whether a slice of the Service targets the pod. @param serviceKey `namespace/name` */
  isTargeted(podKey: string, serviceKey: string): boolean {
    return this.#slicesOfPod.get(podKey).some((slice) => serviceKeyOf(slice) === serviceKey);
  }

  /** For a pod with a shut gate: Services that ask for pods like it. */
  askingServices(pod: Pod): readonly Service[] {
    if (!this.#asking || this.#gate === undefined || !isShut(pod, this.#gate)) return [];
    return this.#asking.get(pod.namespace).filter((service) => selectsPod(service, pod));
  }

  /** Everything that decides what a pod is in Consul. */
  sourcesOf(pod: Pod): PlanSources {
    const byService = new Map<string, EndpointSlice[]>();
    for (const slice of this.#slicesOfPod.get(objectKey(pod))) {
      const key = serviceKeyOf(slice);
      byService.set(key, [...(byService.get(key) ?? []), slice]);
    }
    const services: AnnotatedService[] = [];
    for (const [key, slices] of byService) {
      const service = this.#views.services.get(key);
      if (service) services.push({ service, slices });
    }
    const { nodeName } = pod;
    // A node that is not seen, because it is gone or nobody may read nodes, may have told its pods.
    const zone = zoneOf(this.#views.nodes.get(nodeName) ?? pod);
    return { pod, services, zone, nodeAddress: this.#nodeAddresses.of(nodeName) };
  }
}

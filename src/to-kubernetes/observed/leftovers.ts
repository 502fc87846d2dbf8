import {
  objectKey,
  serviceKeyOf,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
} from '../../kubernetes/objects.ts';
import { Index } from '../../kubernetes/view.ts';
import { ANNOTATION, LABEL, ownsObject, type Owner } from '../../mark.ts';
import type { Views } from '../views.ts';

/** Kubernetes' own controller of EndpointSlices, as it signs. */
const BUILT_IN_MANAGER = 'endpointslice-controller.k8s.io';

/**
 * What Kubernetes' own controllers made for a Service of ours while it had a selector, and leave behind when it has none
 * any more: an EndpointSlice, and v1 Endpoints of the name that ours will need. Both have the labels of the Service, with our
 * marks among them, but not our annotation.
 */
export class Leftovers {
  readonly #owner: Owner;
  readonly #views: Views;
  readonly #slices: Index<EndpointSlice>;

  constructor(owner: Owner, views: Views) {
    this.#owner = owner;
    this.#views = views;
    this.#slices = new Index(views.endpointSlices, (slice) => (this.#isBuiltIn(slice) ? [slice.ownerUid] : []));
  }

  /** @param service of ours; what its controllers made is theirs as long as it has a selector */
  slices(service: Service | undefined): EndpointSlice[] {
    return service?.selector.size === 0 ? this.#slices.get(service.uid) : [];
  }

  endpoints(service: Service | undefined): Endpoints[] {
    if (!service || service.selector.size > 0) return [];
    const observed = this.#views.endpoints.get(service.namespace)?.get(objectKey(service));
    return observed && this.#isUnsigned(observed) ? [observed] : [];
  }

  /** The Service that such an object was made for, if that is in sight. */
  serviceOf(object: EndpointSlice | Endpoints): Service | undefined {
    if (!this.#isUnsigned(object)) return undefined;
    return this.#views.services.get('addressType' in object ? serviceKeyOf(object) : objectKey(object));
  }

  #isBuiltIn(slice: EndpointSlice): boolean {
    return this.#isUnsigned(slice) && slice.labels.get(LABEL.sliceManagedBy) === BUILT_IN_MANAGER;
  }

  #isUnsigned({ labels, annotations }: KubernetesObject): boolean {
    return ownsObject(this.#owner, labels) && !annotations.has(ANNOTATION.consulService);
  }
}

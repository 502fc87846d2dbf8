import {
  serviceKeyOf,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
  type WorkloadEntry,
} from '../../kubernetes/objects.ts';
import { Index, type View } from '../../kubernetes/view.ts';
import { ANNOTATION, LABEL, ownsObject, SLICE_MANAGER, type Owner } from '../../mark.ts';
import type { Views } from '../views.ts';

type AnyIndex = Pick<Index<KubernetesObject>, 'get' | 'keys'>;

/** Ours, and for a Consul service that is mirrored: it has both labels, and the annotation that names the Consul service. */
export function isOfMirror(owner: Owner, { annotations, labels }: KubernetesObject): boolean {
  return ownsObject(owner, labels) && annotations.has(ANNOTATION.consulService);
}

/**
 * Ours, for no mirrored Service, and still with one of its two marks of a slice of ours: what somebody edited is found,
 * and put right. Labels of a Service alone say nothing, because Kubernetes' own controller copies them to its slices.
 */
export function isImportedSlice(owner: Owner, { annotations, labels }: EndpointSlice): boolean {
  return (
    ownsObject(owner, labels) &&
    !annotations.has(ANNOTATION.consulService) &&
    (annotations.has(ANNOTATION.importedFrom) || labels.get(LABEL.sliceManagedBy) === SLICE_MANAGER)
  );
}

/** The objects of ours, by the Consul service (lower case) that they are for: one index for each kind that we write. */
export class OwnObjects {
  readonly #owner: Owner;
  readonly #services: Index<Service>;
  readonly #slices: Index<EndpointSlice>;
  #endpoints: ReadonlyMap<string, Index<Endpoints>> = new Map();
  /** Slices of ours on Services of others, by the key of the Service. */
  readonly #imported: Index<EndpointSlice>;
  #workloadEntries: ReadonlyMap<string, Index<WorkloadEntry>> = new Map();

  constructor(owner: Owner, views: Views) {
    this.#owner = owner;
    this.#services = new Index(views.services, (service) => this.nameOf(service));
    this.#slices = new Index(views.endpointSlices, (slice) => this.nameOf(slice));
    this.#imported = new Index(views.endpointSlices, (slice) => (this.isImported(slice) ? [serviceKeyOf(slice)] : []));
    this.#indexEndpoints(views);
    views.namespaces.subscribe(() => this.#indexEndpoints(views));
    this.#indexWorkloadEntries(views);
    views.workloadEntries.subscribe(() => this.#indexWorkloadEntries(views));
  }

  #indexEndpoints({ endpoints }: Views): void {
    this.#endpoints = this.#indexEach(endpoints);
  }

  #indexWorkloadEntries({ workloadEntries: { found } }: Views): void {
    this.#workloadEntries = this.#indexEach(found?.views ?? new Map());
  }

  #indexEach<T extends KubernetesObject>(views: ReadonlyMap<string, View<T>>): ReadonlyMap<string, Index<T>> {
    const index = (view: View<T>) => new Index(view, (object) => this.nameOf(object));
    return new Map([...views].map(([namespace, view]) => [namespace, index(view)]));
  }

  /** The Consul name that an object of ours stands for, lower case; nothing for anybody else's. */
  nameOf(object: KubernetesObject): string[] {
    const name = object.annotations.get(ANNOTATION.consulService);
    return name !== undefined && isOfMirror(this.#owner, object) ? [name.toLowerCase()] : [];
  }

  /** How many Consul services have a Service of ours. */
  get serviceCount(): number {
    return this.#services.size;
  }

  /** Names that have an object of any kind. */
  names(): string[] {
    return this.#kinds().flatMap((index) => [...index.keys()]);
  }

  services(name: string): Service[] {
    return this.#services.get(name);
  }

  slices(name: string): EndpointSlice[] {
    return this.#slices.get(name);
  }

  endpoints(name: string, namespace: string): Endpoints[] {
    return this.#endpoints.get(namespace)?.get(name) ?? [];
  }

  isImported(slice: EndpointSlice): boolean {
    return isImportedSlice(this.#owner, slice);
  }

  /** The slices of ours on a Service that is somebody else's. */
  importedSlices(serviceKey: string): EndpointSlice[] {
    return this.#imported.get(serviceKey);
  }

  /** Keys of Services of others that have slices of ours. */
  importing(): IterableIterator<string> {
    return this.#imported.keys();
  }

  workloadEntries(name: string, namespace: string): WorkloadEntry[] {
    return this.#workloadEntries.get(namespace)?.get(name) ?? [];
  }

  /** Namespaces that have an object of any kind for that name. */
  namespaces(name: string): string[] {
    return this.#kinds().flatMap((index) => index.get(name).map(({ namespace }) => namespace));
  }

  #kinds(): readonly AnyIndex[] {
    return [this.#services, this.#slices, ...this.#endpoints.values(), ...this.#workloadEntries.values()];
  }
}

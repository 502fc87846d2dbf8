import type { Endpoints, EndpointSlice, KubernetesObject, Service, WorkloadEntry } from '../kubernetes/objects.ts';
import { Index } from '../kubernetes/view.ts';
import { ANNOTATION, ownsObject, type Owner } from '../reconcile/mark.ts';
import type { Views } from './views.ts';

type AnyIndex = Pick<Index<KubernetesObject>, 'get' | 'keys'>;

/** The objects of ours, by the Consul service (lower case) that they are for: one index for each kind that we write. */
export class OwnObjects {
  readonly #owner: Owner;
  readonly #services: Index<Service>;
  readonly #slices: Index<EndpointSlice>;
  readonly #endpoints: ReadonlyMap<string, Index<Endpoints>>;
  #workloadEntries: ReadonlyMap<string, Index<WorkloadEntry>> = new Map();

  constructor(owner: Owner, views: Views) {
    this.#owner = owner;
    this.#services = new Index(views.services, (service) => this.nameOf(service));
    this.#slices = new Index(views.endpointSlices, (slice) => this.nameOf(slice));
    this.#endpoints = new Map(
      [...views.endpoints].map(([namespace, view]) => [namespace, new Index(view, (object) => this.nameOf(object))]),
    );
    this.#indexWorkloadEntries(views);
    views.workloadEntries.subscribe(() => this.#indexWorkloadEntries(views));
  }

  #indexWorkloadEntries({ workloadEntries: { found } }: Views): void {
    this.#workloadEntries = new Map(
      [...(found?.views ?? [])].map(([namespace, view]) => [namespace, new Index(view, (entry) => this.nameOf(entry))]),
    );
  }

  /** The Consul name that an object of ours stands for, lower case; nothing for anybody else's. */
  nameOf({ annotations, labels }: KubernetesObject): string[] {
    const name = annotations.get(ANNOTATION.consulService);
    return name !== undefined && ownsObject(this.#owner, labels) ? [name.toLowerCase()] : [];
  }

  /** How many Consul services have a Service of ours. */
  get serviceCount(): number {
    return this.#services.size;
  }

  /** Names that have a Service. */
  namesWithService(): IterableIterator<string> {
    return this.#services.keys();
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

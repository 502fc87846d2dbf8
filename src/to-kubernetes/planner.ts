import type { ToKubernetesConfig } from '../config/schema.ts';
import { selects } from '../config/pattern.ts';
import type { ServiceInstance } from '../consul/types.ts';
import {
  objectKey,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
} from '../kubernetes/objects.ts';
import { Index, type View } from '../kubernetes/view.ts';
import { compare, isEmpty, type Changes } from '../reconcile/changes.ts';
import { ANNOTATION, LABEL, ownsObject, SLICE_MANAGER, type Owner } from '../reconcile/mark.ts';
import {
  desiredEndpoints,
  desiredService,
  desiredSlices,
  sameService,
  sameSlice,
  sameSubsets,
  type DesiredEndpoints,
  type DesiredService,
  type DesiredSlice,
} from './desired.ts';
import { foreignInstances, isNeverMirrored, mirror, type RefusedInstance } from './mirrored-service.ts';
import { assignLabel, toLabel } from './naming.ts';

export interface Views {
  readonly services: View<Service>;
  readonly endpointSlices: View<EndpointSlice>;
  /** v1 Endpoints with our mark, by namespace; only of the namespaces that we write to. */
  readonly endpoints: ReadonlyMap<string, View<Endpoints>>;
}

/** What the planner asks of Consul's catalog: names are lower case. */
export interface Catalog {
  names(): readonly string[];
  spelling(name: string): string;
  instances(name: string): readonly ServiceInstance[] | undefined;
}

/** What differs for one Consul service in one namespace. */
export interface NamespacePlan {
  readonly namespace: string;
  /** The name that the Service has or should have; empty when there should be none. */
  readonly label: string;
  readonly service: Changes<DesiredService, Service>;
  readonly slices: Changes<DesiredSlice, EndpointSlice>;
  readonly endpoints: Changes<DesiredEndpoints, Endpoints>;
  /** A Service of somebody else that has the name we want; nothing of ours is written there. */
  readonly conflict: Service | undefined;
  readonly refused: readonly RefusedInstance[];
}

export interface NamePlan {
  /** True when Consul has instances of this service that Kubernetes should see. */
  readonly mirrored: boolean;
  /** True when it should be mirrored, and `maxServices` others are already. */
  readonly overLimit: boolean;
  readonly namespaces: readonly NamespacePlan[];
}

/** What differs between Consul and Kubernetes for one Consul service, from the views alone. */
export class Planner {
  readonly #owner: Owner;
  readonly #config: ToKubernetesConfig;
  readonly #views: Views;
  readonly #catalog: Catalog;
  readonly #ownServices: Index<Service>;
  readonly #slicesOfService: Index<EndpointSlice>;
  readonly #clusterIPs: Index<Service>;
  readonly #apiServerAddresses: Index<EndpointSlice>;
  /** Names by the label they would like, kept for ever: there are only so many names. */
  readonly #namesOfLabel = new Map<string, Set<string>>();
  readonly #labelOfName = new Map<string, string>();
  readonly #admitted: Set<string>;

  constructor(owner: Owner, config: ToKubernetesConfig, views: Views, catalog: Catalog) {
    this.#owner = owner;
    this.#config = config;
    this.#views = views;
    this.#catalog = catalog;
    this.#ownServices = new Index(views.services, (service) => this.nameOf(service));
    this.#slicesOfService = new Index(views.endpointSlices, (slice) =>
      this.#ownsSlice(slice) ? [serviceOfSlice(slice)] : [],
    );
    this.#clusterIPs = new Index(views.services, ({ clusterIPs }) => clusterIPs);
    this.#apiServerAddresses = new Index(views.endpointSlices, (slice) =>
      serviceOfSlice(slice) === 'default/kubernetes' ? slice.endpoints.map(({ address }) => address) : [],
    );
    this.#admitted = new Set(this.#ownServices.keys());
    for (const name of this.keys()) this.#label(name);
  }

  /** Every name that either side knows, in order. */
  keys(): string[] {
    return [...new Set([...this.#catalog.names(), ...this.#ownServices.keys()])].sort();
  }

  /** How many Consul services have a Service of ours. */
  get owned(): number {
    return this.#ownServices.size;
  }

  owns(name: string): boolean {
    return this.#ownServices.get(name).length > 0;
  }

  /** The Consul name that a Service of ours stands for, lower case; nothing for anybody else's. */
  nameOf(service: Service): string[] {
    const name = service.annotations.get(ANNOTATION.consulService);
    return name !== undefined && ownsObject(this.#owner, service.labels) ? [name.toLowerCase()] : [];
  }

  /** Names for which an object of ours, or one in our way, is of interest. */
  namesConcerned(object: KubernetesObject, serviceName: string): Iterable<string> {
    const service = this.#views.services.get(objectKey({ namespace: object.namespace, name: serviceName }));
    const own = service ? this.nameOf(service) : [];
    return own.length > 0 ? own : (this.#namesOfLabel.get(serviceName) ?? []);
  }

  /** Names that want the same label: when one comes or goes, the others may get another. */
  siblings(name: string): Iterable<string> {
    this.#label(name);
    return this.#namesOfLabel.get(this.#label(name)) ?? [];
  }

  isMirrored(name: string): boolean {
    if (isNeverMirrored(name) || !selects(this.#config.services, name)) return false;
    return foreignInstances(this.#catalog.instances(name) ?? []).length > 0;
  }

  /** A name whose Services are gone makes room for another. */
  release(name: string): void {
    if (!this.owns(name)) this.#admitted.delete(name);
  }

  /** @param removeServices when the grace period of a service that is gone is over */
  plan(name: string, removeServices: boolean): NamePlan {
    const mirrored = this.isMirrored(name);
    const overLimit = mirrored && !this.#admit(name);
    const owned = this.#ownServices.get(name);
    const wanted = mirrored && !overLimit ? this.#config.namespaces : [];
    const namespaces = new Set([...wanted, ...owned.map(({ namespace }) => namespace)]);
    const plans = [...namespaces].map((namespace) =>
      this.#planNamespace(name, namespace, wanted.includes(namespace), removeServices || mirrored),
    );
    return {
      mirrored,
      overLimit,
      namespaces: plans.filter((plan) => plan.conflict !== undefined || plan.refused.length > 0 || !isUnchanged(plan)),
    };
  }

  #admit(name: string): boolean {
    if (!this.#admitted.has(name) && this.#admitted.size >= this.#config.maxServices) return false;
    this.#admitted.add(name);
    return true;
  }

  #planNamespace(name: string, namespace: string, wanted: boolean, removeServices: boolean): NamespacePlan {
    const owned = new Map(
      this.#ownServices
        .get(name)
        .filter((service) => service.namespace === namespace)
        .map((service) => [service.name, service]),
    );
    const label = wanted ? this.#assignedLabel(name, namespace) : '';
    const occupant = this.#views.services.get(objectKey({ namespace, name: label }));
    const conflict = wanted && occupant && !owned.has(label) ? occupant : undefined;
    const slices = this.#ownedSlices([...owned.values()]);
    const mirroring =
      wanted && !conflict
        ? mirror(
            this.#catalog.spelling(name),
            foreignInstances(this.#catalog.instances(name) ?? []),
            this.#config,
            owned.get(label),
            (address) => this.#isReserved(address),
          )
        : undefined;
    const mirrored = mirroring?.mirrored;
    const service = compare(mapOf(mirrored ? [desiredService(label, mirrored)] : []), owned, (desired, observed) =>
      sameService(desired, observed, observed.annotations.get(ANNOTATION.consulService)),
    );
    return {
      namespace,
      label,
      service: { ...service, remove: removeServices ? service.remove : [] },
      slices: compare(
        mapOf(mirrored ? desiredSlices(label, mirrored, slices) : []),
        mapOf(slices),
        (desired, observed) => sameSlice(desired, observed) && observed.ownerUid === owned.get(label)?.uid,
      ),
      endpoints: compare(
        mapOf(mirrored && this.#config.endpoints ? [desiredEndpoints(label, mirrored)] : []),
        this.#ownedEndpoints(namespace, owned),
        (desired, observed) => sameSubsets(desired.subsets, observed.subsets),
      ),
      conflict,
      refused: mirroring?.refused ?? [],
    };
  }

  #assignedLabel(name: string, namespace: string): string {
    const contenders = [...this.siblings(name)].filter(
      (other) => other === name || this.owns(other) || this.isMirrored(other),
    );
    return assignLabel(
      name,
      contenders,
      (other) => this.#ownServices.get(other).find((service) => service.namespace === namespace)?.name,
    );
  }

  #label(name: string): string {
    const known = this.#labelOfName.get(name);
    if (known !== undefined) return known;
    const label = toLabel(name);
    this.#labelOfName.set(name, label);
    this.#namesOfLabel.set(label, (this.#namesOfLabel.get(label) ?? new Set<string>()).add(name));
    return label;
  }

  #ownsSlice(slice: EndpointSlice): boolean {
    return slice.labels.get(LABEL.sliceManagedBy) === SLICE_MANAGER && ownsObject(this.#owner, slice.labels);
  }

  #ownedSlices(services: readonly Service[]): EndpointSlice[] {
    return services.flatMap((service) => this.#slicesOfService.get(objectKey(service)));
  }

  #ownedEndpoints(namespace: string, services: ReadonlyMap<string, Service>): Map<string, Endpoints> {
    const view = this.#views.endpoints.get(namespace);
    const found = [...services.keys()].flatMap((name) => view?.get(objectKey({ namespace, name })) ?? []);
    return mapOf(found.filter(({ labels }) => ownsObject(this.#owner, labels)));
  }

  /** Addresses inside Kubernetes that no endpoint can be: another Service's ClusterIP, or the API server. */
  #isReserved(address: string): boolean {
    return this.#clusterIPs.get(address).length > 0 || this.#apiServerAddresses.get(address).length > 0;
  }
}

function mapOf<T extends { readonly name: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}

export function serviceOfSlice(slice: EndpointSlice): string {
  return objectKey({ namespace: slice.namespace, name: slice.labels.get(LABEL.serviceName) ?? '' });
}

export function isUnchanged({ service, slices, endpoints }: NamespacePlan): boolean {
  return isEmpty(service) && isEmpty(slices) && isEmpty(endpoints);
}

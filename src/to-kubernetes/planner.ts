import type { ToKubernetesConfig } from '../config/schema.ts';
import { selects } from '../config/pattern.ts';
import type { ServiceInstance } from '../consul/types.ts';
import {
  objectKey,
  serviceKeyOf,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
} from '../kubernetes/objects.ts';
import { Index, type View } from '../kubernetes/view.ts';
import { compare, isEmpty, type Changes } from '../reconcile/changes.ts';
import { ANNOTATION, ownsObject, type Owner } from '../reconcile/mark.ts';
import {
  desiredEndpoints,
  desiredService,
  desiredSlices,
  emptied,
  sameService,
  sameSlice,
  sameSubsets,
  type DesiredEndpoints,
  type DesiredService,
  type DesiredSlice,
} from './desired.ts';
import {
  foreignInstances,
  isNeverMirrored,
  mirror,
  type MirroredService,
  type RefusedInstance,
} from './mirrored-service.ts';
import { assignLabel, toHashedLabel, toLabel } from './naming.ts';

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
  /** A Service of somebody else that has the name we want: it is not touched. */
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
  readonly #ownSlices: Index<EndpointSlice>;
  readonly #ownEndpoints: ReadonlyMap<string, Index<Endpoints>>;
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
    this.#ownSlices = new Index(views.endpointSlices, (slice) => this.nameOf(slice));
    this.#ownEndpoints = new Map(
      [...views.endpoints].map(([namespace, view]) => [namespace, new Index(view, (object) => this.nameOf(object))]),
    );
    this.#clusterIPs = new Index(views.services, ({ clusterIPs }) => clusterIPs);
    this.#apiServerAddresses = new Index(views.endpointSlices, (slice) =>
      serviceKeyOf(slice) === 'default/kubernetes' ? slice.endpoints.map(({ address }) => address) : [],
    );
    this.#admitted = new Set(this.#ownServices.keys());
    for (const name of this.keys()) this.#label(name);
  }

  /** Every name that either side knows, in order. */
  keys(): string[] {
    const left = [this.#ownServices, this.#ownSlices, ...this.#ownEndpoints.values()].flatMap((index) => [
      ...index.keys(),
    ]);
    return [...new Set([...this.#catalog.names(), ...left])].sort();
  }

  /** How many Consul services have a Service of ours. */
  get owned(): number {
    return this.#ownServices.size;
  }

  owns(name: string): boolean {
    return this.#ownServices.get(name).length > 0;
  }

  /** The Consul name that an object of ours stands for, lower case; nothing for anybody else's. */
  nameOf({ annotations, labels }: KubernetesObject): string[] {
    const name = annotations.get(ANNOTATION.consulService);
    return name !== undefined && ownsObject(this.#owner, labels) ? [name.toLowerCase()] : [];
  }

  /** Names that would like a Service of that name. */
  namesWanting(serviceName: string): Iterable<string> {
    return this.#namesOfLabel.get(serviceName) ?? [];
  }

  /** Names that want the same label: when one comes or goes, the others may get another. */
  siblings(name: string): Iterable<string> {
    return this.namesWanting(this.#label(name));
  }

  isMirrored(name: string): boolean {
    if (isNeverMirrored(name) || !selects(this.#config.services, name)) return false;
    return foreignInstances(this.#catalog.instances(name) ?? []).length > 0;
  }

  /** A name whose Services are gone makes room for another. */
  release(name: string): void {
    if (!this.owns(name)) this.#admitted.delete(name);
  }

  /** @param expired when the grace period of a service that is gone is over */
  plan(name: string, expired: boolean): NamePlan {
    const mirrored = this.isMirrored(name);
    const overLimit = mirrored && !this.#admit(name);
    const wanted = mirrored && !overLimit ? this.#config.namespaces : [];
    const objects = [this.#ownServices, this.#ownSlices, ...this.#ownEndpoints.values()].flatMap(
      (index): KubernetesObject[] => index.get(name),
    );
    const namespaces = new Set([...wanted, ...objects.map(({ namespace }) => namespace)]);
    const plans = [...namespaces].map((namespace) =>
      this.#planNamespace(name, namespace, wanted.includes(namespace), mirrored, expired),
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

  /**
   * | the Service with the name we want            | Service            | slices and Endpoints                       |
   * |----------------------------------------------|--------------------|--------------------------------------------|
   * | is ours, or there is none                    | kept equal         | kept equal                                 |
   * | was ours, and its owner took the label away  | not touched        | kept equal, as long as there are any       |
   * | is somebody else's                           | not touched        | none                                       |
   *
   * Other Services that claim the same Consul service (copies that somebody made) are not touched while it is mirrored.
   */
  #planNamespace(name: string, namespace: string, wanted: boolean, mirrored: boolean, expired: boolean): NamespacePlan {
    const here = (object: KubernetesObject) => object.namespace === namespace;
    const owned = mapOf(this.#ownServices.get(name).filter(here));
    const slices = this.#ownSlices.get(name).filter(here);
    const label = wanted ? this.#assignedLabel(name, namespace) : '';
    const occupant = this.#views.services.get(objectKey({ namespace, name: label }));
    const hasOurSlices = (service: Service) => slices.some(({ ownerUid }) => ownerUid === service.uid);
    // Somebody took the annotation away and left the labels: still ours, and put right.
    if (occupant && ownsObject(this.#owner, occupant.labels) && hasOurSlices(occupant)) owned.set(label, occupant);
    const conflict = occupant && !owned.has(label) ? occupant : undefined;
    const isReleased = conflict !== undefined && hasOurSlices(conflict);
    const mirroring = wanted && (!conflict || isReleased) ? this.#mirror(name, occupant) : undefined;
    const service = mirroring?.mirrored;
    // With a selector, the v1 Endpoints of that name are those of Kubernetes' own controller.
    const writesEndpoints = this.#config.endpoints && !(isReleased && conflict.selector.size > 0);
    const services = compare(
      mapOf(service && !conflict ? [desiredService(label, service)] : []),
      owned,
      (desired, observed) => sameService(desired, observed, observed.annotations.get(ANNOTATION.consulService)),
    );
    // A namespace that is no longer configured loses its copy at once, if it is surely one that we made.
    const remove = mirrored
      ? services.remove.filter((surplus) => !wanted && hasOurSlices(surplus))
      : expired
        ? services.remove
        : [];
    return {
      namespace,
      label,
      service: { ...services, remove },
      slices: this.#planSlices(namespace, service, label, occupant, slices, isReleased),
      endpoints: compare(
        mapOf(service && writesEndpoints ? [desiredEndpoints(label, service)] : []),
        mapOf(this.#ownEndpoints.get(namespace)?.get(name) ?? []),
        (desired, observed) => sameSubsets(desired.subsets, observed.subsets),
      ),
      conflict,
      refused: mirroring?.refused ?? [],
    };
  }

  #planSlices(
    namespace: string,
    mirrored: MirroredService | undefined,
    label: string,
    service: Service | undefined,
    slices: readonly EndpointSlice[],
    isReleased: boolean,
  ): NamespacePlan['slices'] {
    const isOfService = (slice: EndpointSlice) => serviceKeyOf(slice) === objectKey({ namespace, name: label });
    const isTaken = (name: string) => {
      const found = this.#views.endpointSlices.get(objectKey({ namespace, name }));
      return found !== undefined && !slices.includes(found);
    };
    const desired = mirrored ? desiredSlices(label, mirrored, slices.filter(isOfService), isTaken) : [];
    // The slices are all that tells that a released Service was ours: one stays, empty, until the Consul service goes.
    const [last] = slices;
    if (mirrored && isReleased && desired.length === 0 && last)
      desired.push(emptied(last, label, mirrored.consulService));
    return compare(mapOf(desired), mapOf(slices), (wish, observed) => {
      return sameSlice(wish, observed) && observed.ownerUid === service?.uid && isOfService(observed);
    });
  }

  #mirror(name: string, present: Service | undefined): ReturnType<typeof mirror> {
    const foreign = foreignInstances(this.#catalog.instances(name) ?? []);
    return mirror(this.#catalog.spelling(name), foreign, this.#config, present, (address) => this.#isReserved(address));
  }

  #assignedLabel(name: string, namespace: string): string {
    const contenders = [...this.siblings(name)].filter(
      (other) => other === name || this.owns(other) || this.isMirrored(other),
    );
    return assignLabel(name, contenders, (other) => this.#heldLabel(other, namespace));
  }

  /**
   * The name of the Service that a Consul service has: one of the two that it can have, and not that of any copy. Of both,
   * the one that our slices belong to.
   */
  #heldLabel(name: string, namespace: string): string | undefined {
    const labels = [toLabel(name), toHashedLabel(name)];
    const services = this.#ownServices
      .get(name)
      .filter((service) => service.namespace === namespace && labels.includes(service.name));
    const owners = new Set(this.#ownSlices.get(name).map(({ ownerUid }) => ownerUid));
    const [held] = services.sort(
      (a, b) =>
        Number(owners.has(b.uid)) - Number(owners.has(a.uid)) || labels.indexOf(a.name) - labels.indexOf(b.name),
    );
    return held?.name;
  }

  #label(name: string): string {
    const known = this.#labelOfName.get(name);
    if (known !== undefined) return known;
    const label = toLabel(name);
    this.#labelOfName.set(name, label);
    this.#namesOfLabel.set(label, (this.#namesOfLabel.get(label) ?? new Set<string>()).add(name));
    return label;
  }

  /** Addresses inside Kubernetes that no endpoint can be: another Service's ClusterIP, or the API server. */
  #isReserved(address: string): boolean {
    return this.#clusterIPs.get(address).length > 0 || this.#apiServerAddresses.get(address).length > 0;
  }
}

function mapOf<T extends { readonly name: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.name, item]));
}

export function isUnchanged({ service, slices, endpoints }: NamespacePlan): boolean {
  return isEmpty(service) && isEmpty(slices) && isEmpty(endpoints);
}

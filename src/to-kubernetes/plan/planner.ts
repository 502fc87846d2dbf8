import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { Endpoints, EndpointSlice, KubernetesObject, Pod } from '../../kubernetes/objects.ts';
import type { Owner } from '../../mark.ts';
import { Addresses, type Hosts } from '../addresses/addresses.ts';
import { ServiceNames, type AssignedName } from '../names/name-holders.ts';
import { isQuiet, planNamespace, type NamespacePlan } from './namespace-plan.ts';
import { OwnObjects } from '../observed/own-objects.ts';
import { instancesToMirror, isCandidate } from '../requests/selection.ts';
import type { Catalog, Views } from '../views.ts';
import { Leftovers } from '../observed/leftovers.ts';
import { KnownPods } from '../istio/known-pods.ts';
import type { PlanSources } from './sources.ts';

export interface NamePlan {
  /** True when Consul has instances of this service that Kubernetes should see. */
  readonly mirrored: boolean;
  /** True when it should be mirrored, and `maxServices` others are already. */
  readonly overLimit: boolean;
  readonly namespaces: readonly NamespacePlan[];
}

/**
 * What differs between Consul and Kubernetes for one Consul service, from the views alone:
 * - `selection` says which services and instances are mirrored at all, `maxServices` how many;
 * - `labels` says what the Service of each is called;
 * - `namespace-plan` compares, for each namespace that should have a copy or has one.
 */
export class Planner {
  readonly #sources: PlanSources;
  readonly #names: ServiceNames;
  readonly #admitted: Set<string>;
  /** Names that have a Service or should have one, admitted or not: those that others may have to give way to. */
  readonly #claiming: Set<string>;

  constructor(owner: Owner, config: ToKubernetesConfig, views: Views, catalog: Catalog, hosts: Hosts) {
    const own = new OwnObjects(owner, views);
    this.#sources = {
      ...{ owner, config, views, catalog, own },
      addresses: new Addresses(views, config, hosts),
      pods: new KnownPods(views),
      leftovers: new Leftovers(owner, views),
    };
    this.#admitted = new Set(own.names());
    this.#claiming = new Set(own.names());
    this.#names = new ServiceNames(own, this.keys());
  }

  /** What the plans are made from, for whoever plans something else from the same. */
  get sources(): PlanSources {
    return this.#sources;
  }

  /** Every name that either side knows, in order. */
  keys(): string[] {
    const { catalog, own } = this.#sources;
    return [...new Set([...catalog.names(), ...own.names()])].sort();
  }

  /** How many Consul services have a Service of ours. */
  get owned(): number {
    return this.#sources.own.serviceCount;
  }

  owns(name: string): boolean {
    return this.#sources.own.services(name).length > 0;
  }

  /** The Consul name that an object of ours stands for, lower case; nothing for anybody else's. */
  nameOf(object: KubernetesObject): string[] {
    return this.#sources.own.nameOf(object);
  }

  /** The same of what Kubernetes' own controllers made for a Service of ours. */
  nameBehind(object: EndpointSlice | Endpoints): string[] {
    const service = this.#sources.leftovers.serviceOf(object);
    return service ? this.nameOf(service) : [];
  }

  /** Names with a WorkloadEntry at an address of that pod. */
  namesAt(pod: Pod): string[] {
    return this.#sources.pods.entriesAt(pod).flatMap((entry) => this.nameOf(entry));
  }

  /** Names that would like a Service of that name, or may have to take it. */
  namesWanting(serviceName: string): Iterable<string> {
    return this.#names.namesWanting(serviceName);
  }

  /** Names that want the same Service name: when one comes or goes, the others may get another. */
  siblings(name: string): Iterable<string> {
    return this.#names.siblings(name);
  }

  isMirrored(name: string): boolean {
    const { owner, config, catalog } = this.#sources;
    return (
      isCandidate(config, name) && instancesToMirror(catalog.instances(name) ?? [], owner.cluster, config).length > 0
    );
  }

  /** A name whose Services are gone makes room for others: true when it had any until now, and only then. */
  release(name: string): boolean {
    if (this.owns(name) || this.isMirrored(name)) return false;
    this.#admitted.delete(name);
    return this.#claiming.delete(name);
  }

  /** @param expired when the grace period of a service that is gone is over */
  plan(name: string, expired: boolean): NamePlan {
    const { config, own } = this.#sources;
    const mirrored = this.isMirrored(name);
    if (mirrored) this.#claiming.add(name);
    const overLimit = mirrored && !this.#admit(name);
    const wanted = mirrored && !overLimit ? config.namespaces : [];
    const plans = [...new Set([...wanted, ...own.namespaces(name)])].map((namespace) => {
      const assigned = wanted.includes(namespace) ? this.#assigned(name, namespace) : undefined;
      return planNamespace(this.#sources, { name, namespace, assigned, mirrored, expired });
    });
    return {
      mirrored,
      overLimit,
      namespaces: plans.filter((plan) => !isQuiet(plan)),
    };
  }

  #admit(name: string): boolean {
    if (!this.#admitted.has(name) && this.#admitted.size >= this.#sources.config.maxServices) return false;
    this.#admitted.add(name);
    return true;
  }

  #assigned(name: string, namespace: string): AssignedName {
    return this.#names.assigned(name, namespace, (other) => {
      const contends = this.owns(other) || this.isMirrored(other);
      // It may be gone before it is looked at itself, and then this name has to be looked at again.
      if (contends) this.#claiming.add(other);
      return contends;
    });
  }
}

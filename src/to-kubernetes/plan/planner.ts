import type { ToKubernetesConfig } from '../../config/schema.ts';
import { whyUnreadable } from '../../consul/readable-name.ts';
import type { Endpoints, EndpointSlice, KubernetesObject, Pod } from '../../kubernetes/objects.ts';
import type { Owner } from '../../mark.ts';
import { Addresses, type Hosts } from '../addresses/addresses.ts';
import { KnownPods } from '../istio/known-pods.ts';
import { Claims } from '../names/claims.ts';
import { ServiceNames, type AssignedName } from '../names/service-names.ts';
import { Leftovers } from '../observed/leftovers.ts';
import { OwnObjects } from '../observed/own-objects.ts';
import type { Problem } from '../problem.ts';
import { ManagementEntries } from '../requests/management-entries.ts';
import { consulServiceOf } from '../requests/tag-services.ts';
import { isCandidate } from '../requests/selection.ts';
import type { Catalog, Views } from '../views.ts';
import { isQuiet, planNamespace, type NamespacePlan } from './namespace-plan.ts';
import { tooManyServices, unreadableService } from './problems.ts';
import { mirroredInstances, NO_REFUSALS, type PlanSources, type Refusals } from './sources.ts';
import type { Wish } from './target.ts';

export interface NamePlan {
  /** True when Consul has instances of this service that Kubernetes should see. */
  readonly mirrored: boolean;
  /** True when it should be mirrored, and `maxServices` others are already. */
  readonly overLimit: boolean;
  /** The Consul names that its own gave way to, in some namespace. */
  readonly rivals: readonly string[];
  /** Host names of its instances: to be looked up, in case something else is known of them by now. */
  readonly hosts: readonly string[];
  /** What concerns it in no namespace more than in others. */
  readonly problems: readonly Problem[];
  /** Those where something is to be written or told. */
  readonly namespaces: readonly NamespacePlan[];
}

/**
 * What differs between Consul and Kubernetes for one Consul service:
 * - `requests/selection` says which services and instances are mirrored at all, `maxServices` how many;
 * - `names/` says what the Service of each is called;
 * - `namespace-plan` compares, for each namespace that should have a copy or has one, and that is not closed:
 *
 * | the namespace               | should have a copy | has objects of ours | is planned                                           |
 * |-----------------------------|--------------------|---------------------|------------------------------------------------------|
 * | is open                     | yes or no          | yes or no           | as `namespace-plan` says                             |
 * | is closed                   | yes or no          | yes or no           | not at all: what cannot be seen is not taken for gone |
 * | is not in the settings      | no                 | yes                 | as `namespace-plan` says: the objects go             |
 *
 * A plan is made from the views alone, and making it changes nothing. What it says about names counts for other plans once
 * it is noted: that the name is known, its place, and whom it gave way to.
 */
export class Planner {
  readonly #sources: PlanSources;
  readonly #names: ServiceNames;
  readonly #claims: Claims;
  readonly #management: ManagementEntries;

  constructor(
    owner: Owner,
    config: ToKubernetesConfig,
    views: Views,
    catalog: Catalog,
    hosts: Hosts,
    refusals: Refusals = NO_REFUSALS,
  ) {
    const own = new OwnObjects(owner, views);
    this.#management = new ManagementEntries(catalog);
    this.#sources = {
      ...{ owner, config, views, catalog, own, refusals, management: this.#management },
      addresses: new Addresses(views, config, hosts),
      pods: new KnownPods(views),
      leftovers: new Leftovers(owner, views),
    };
    this.#claims = new Claims(() => config.maxServices, own.names());
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

  /**
   * False where a plan would be a guess: Consul was not asked for the service yet, or shows nothing of it that Kubernetes should
   * see, and may have lost what it does not show.
   */
  isKnown(name: string): boolean {
    const { config, catalog, own } = this.#sources;
    if (catalog.instances(name) === undefined) return false;
    // Where the settings decide, or nothing is at stake, it does not matter what Consul may have lost.
    const service = consulServiceOf(config.tagServices, name);
    const isDecided = !isCandidate(config, service) || own.namespaces(name).length === 0;
    return catalog.isComplete(name) || this.isMirrored(name) || isDecided;
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

  isMirrored(name: string): boolean {
    const { config } = this.#sources;
    const service = consulServiceOf(config.tagServices, name);
    if (!isCandidate(config, service)) return false;
    if (mirroredInstances(this.#sources, name).length > 0) return true;
    // Between two leaders nobody has the tag: the Service waits for the next, as long as there is anybody who could be it.
    return service !== name && this.owns(name) && mirroredInstances(this.#sources, service).length > 0;
  }

  /** @param expired when the grace period of a service that is gone is over */
  plan(name: string, expired: boolean): NamePlan {
    const { config, own, views } = this.#sources;
    const mirrored = this.isMirrored(name);
    const overLimit = mirrored && !this.#claims.hasPlaceFor(name);
    const wanted = mirrored && !overLimit ? config.namespaces : [];
    const concerned = [...new Set([...wanted, ...own.namespaces(name)])];
    const open = concerned.filter((namespace) => !views.namespaces.closed.has(namespace));
    const wishes = open.map((namespace): Wish => {
      const assigned = wanted.includes(namespace) ? this.#assigned(name, namespace) : undefined;
      return { name, namespace, assigned, mirrored, expired };
    });
    const plans = wishes.map((wish) => planNamespace(this.#sources, wish));
    return {
      mirrored,
      overLimit,
      rivals: [...new Set(wishes.flatMap(({ assigned }) => assigned?.rivals ?? []))],
      hosts: [...new Set(plans.flatMap(({ hosts }) => hosts))],
      problems: this.#problems(name, overLimit),
      namespaces: plans.filter((plan) => !isQuiet(plan)),
    };
  }

  /**
   * Consul told something of that name: whoever is planned next knows of it, also when its own plan comes later. Returns the
   * names to look at: itself, and those that are told apart by it.
   */
  learn(name: string): string[] {
    const names = [name, ...this.#management.learn(name)];
    for (const other of names) if (!this.#names.has(other) && this.isMirrored(other)) this.#names.add(other);
    return names;
  }

  /** What a plan says about names counts from now on. Returns the names to look at again. */
  note(name: string, plan: NamePlan): Iterable<string> {
    if (plan.mirrored || this.owns(name)) this.#names.add(name);
    const hadPlace = this.#claims.isPlaced(name);
    const names = this.#claims.note(name, plan);
    // Others that share its name with it have one more that they may have given way to.
    if (!hadPlace && this.#claims.isPlaced(name)) for (const other of this.#names.sharing(name)) names.add(other);
    return names;
  }

  /** A name that has no Service and is not to have one gives up its claim. Returns the names to look at again. */
  release(name: string): Iterable<string> {
    if (this.owns(name) || this.isMirrored(name)) return [];
    if (!this.#isListed(name)) this.#names.forget(name);
    return this.#claims.release(name);
  }

  /** How many names wait for a place. */
  get waiting(): number {
    return this.#claims.waiting;
  }

  #problems(name: string, overLimit: boolean): Problem[] {
    const { catalog, config } = this.#sources;
    if (overLimit) return [tooManyServices(name, config.maxServices)];
    const why = whyUnreadable(name);
    return why !== undefined && catalog.names().includes(name) ? [unreadableService(name, why)] : [];
  }

  #assigned(name: string, namespace: string): AssignedName {
    return this.#names.assigned(name, namespace, (other) => this.#contends(other, name));
  }

  /** Another may have to give way to it: it has a Service, or is to have one and finds a place beside the other's. */
  #contends(name: string, other: string): boolean {
    return this.owns(name) || (this.isMirrored(name) && this.#claims.hasPlaceBeside(other, name));
  }

  /** Consul has instances of it, to be mirrored or not. */
  #isListed(name: string): boolean {
    return (this.#sources.catalog.instances(name) ?? []).length > 0;
  }
}

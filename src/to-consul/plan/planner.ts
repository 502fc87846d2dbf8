import {
  objectKey,
  serviceKeyOf,
  zoneOf,
  type Endpoint,
  type EndpointSlice,
  type KubernetesObject,
  type Pod,
  type Service,
} from '../../kubernetes/objects.ts';
import { selects } from '../../config/pattern.ts';
import { Index } from '../../kubernetes/view.ts';
import { compare } from '../../reconcile/changes.ts';
import { isMarkedObject, META, type Owner } from '../../mark.ts';
import { isThere, type Admission } from './admission.ts';
import {
  desiredRegistrations,
  isAddressOf,
  mayHaveRegistrations,
  type Desired,
  type DesiredConfig,
  type PlanSources,
} from '../desired/desired-registrations.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import { NodeAddresses } from './node-addresses.ts';
import type { OwnCatalog } from '../observed/own-catalog.ts';
import { isShut, selectsPod } from '../desired/readiness.ts';
import {
  identityOf,
  sameCheck,
  sameService,
  type ConsulNode,
  type Registration,
} from '../registration/registration.ts';
import { POD, askedByService, type AnnotatedService } from '../requests/requests.ts';
import type { Rejection } from '../registration/rejection.ts';
import type { Views } from '../views.ts';
import type { PodPlan, Proof } from './pod-plan.ts';

/**
 * What differs between Kubernetes and Consul for one pod, from the views alone: the `plan` command prints it, the
 * reconciler and, at the moment of sending, the writer act on it.
 */
export class Planner {
  readonly #owner: Owner;
  readonly #config: DesiredConfig;
  readonly #views: Views;
  readonly #own: OwnCatalog;
  readonly #admission: Admission;
  readonly #slicesOfPod: Index<EndpointSlice>;
  readonly #slicesOfService: Index<EndpointSlice>;
  readonly #podsOfNode: Index<Pod>;
  readonly #nodeAddresses: NodeAddresses;
  /** Of a gate: annotated Services and pods with a shut gate, by namespace. Without one nobody looks at them. */
  readonly #asking: Index<Service> | undefined;
  readonly #shut: Index<Pod> | undefined;
  /** Instances whose object a direct read proved to be gone. Whatever writes the instance anew makes another of it. */
  readonly #provenGone = new WeakSet<OwnInstance>();

  constructor(owner: Owner, config: DesiredConfig, views: Views, own: OwnCatalog, admission: Admission) {
    this.#owner = owner;
    this.#config = config;
    this.#views = views;
    this.#own = own;
    this.#admission = admission;
    this.#slicesOfPod = new Index(views.endpointSlices, podsOfSlice);
    // Ours came out of Consul: they are no source, and no mistake of whoever owns the Service.
    this.#slicesOfService = new Index(views.endpointSlices, (slice) =>
      isMarkedObject(slice.labels) ? [] : [serviceKeyOf(slice)],
    );
    this.#podsOfNode = new Index(views.pods, (pod) => [pod.nodeName]);
    this.#nodeAddresses = new NodeAddresses(views.pods, views.nodes);
    if (!config.readinessGate) return;
    this.#asking = new Index(views.services, (service) => (askedByService(service) ? [service.namespace] : []));
    this.#shut = new Index(views.pods, (pod) => (isShut(pod) ? [pod.namespace] : []));
  }

  /** Every pod that either side knows. */
  keys(): Set<string> {
    return new Set([...[...this.#views.pods.values()].map(objectKey), ...this.#own.podKeys()]);
  }

  /** Those that a Service has in its slices, and those that wait for it with a shut gate. */
  podsOfService(service: Service): Iterable<string> {
    const waiting = this.#shut?.get(service.namespace).filter((pod) => selectsPod(service, pod)) ?? [];
    return [...this.#slicesOfService.get(objectKey(service)).flatMap(podsOfSlice), ...waiting.map(objectKey)];
  }

  podsOfNode(node: KubernetesObject): Iterable<string> {
    return this.#podsOfNode.get(node.name).map(objectKey);
  }

  /** Addresses in the slices of an annotated Service that belong to no pod, and so cannot be registered. */
  addressesWithoutPod(service: Service): string[] {
    if (!selects(this.#config.namespaces, service.namespace) || !askedByService(service)) return [];
    return this.#slicesOfService
      .get(objectKey(service))
      .flatMap((slice) =>
        slice.endpoints.filter(({ target }) => !isPodHere(slice, target)).map(({ address }) => address),
      );
  }

  plan(podKey: string): PodPlan {
    const pod = this.#views.pods.get(podKey);
    const sources = pod && this.sourcesOf(pod);
    const desired = sources && desiredRegistrations(this.#owner, this.#config, sources);
    const observed = this.#own.ofPod(podKey);
    const { wanted, refusals } = this.#homes(desired);
    const { refused, unread } = this.#admission.admit(podKey, wanted, observed);
    const holders = new Set(desired?.held);
    for (const [identity, { reason }] of refused) {
      // Somebody else serves a duplicate. What the policy refuses must not cost the pod what it has.
      if (reason !== 'Duplicate') holders.add(wanted.get(identity)?.meta.get(META.service) ?? POD);
      wanted.delete(identity);
    }
    const changes = compare(
      wanted,
      observed,
      (registration, observed) =>
        sameService(registration, observed.registration) &&
        hasCheck(registration, observed) &&
        this.#isNodeRight(registration.node),
    );
    // Consul keeps the spelling of an ID that it has: another one, beside a check of the first, could not be removed.
    const update = changes.update
      // A move to another address is as good as a new instance: somebody may be there.
      .filter(({ desired: wish, observed }) => !unread.includes(wish.service) || isThere(wish, observed.registration))
      .map(({ desired: wish, observed }) => ({ desired: { ...wish, id: observed.registration.id }, observed }));
    // A proof is about the present: an instance that is wanted again needs another one to go.
    for (const [identity, instance] of observed) if (wanted.has(identity)) this.#provenGone.delete(instance);
    const isOfPod = ({ podUid }: OwnInstance) => pod !== undefined && (podUid === '' || podUid === pod.uid);
    const isHeld = (instance: OwnInstance) =>
      isOfPod(instance) && holders.has(instance.registration.meta.get(META.service) ?? POD);
    // Its address may be another pod's by now, who would be called under its name: the pod itself says that it has left.
    const hasLeft = (instance: OwnInstance) =>
      pod !== undefined && isOfPod(instance) && !isAddressOf(pod, instance.registration.address);
    const held: OwnInstance[] = [];
    const remove: OwnInstance[] = [];
    const unproven: OwnInstance[] = [];
    for (const instance of changes.remove) {
      // Before all is read nobody can say what an instance is to be replaced by.
      if (hasLeft(instance)) remove.push(instance);
      else if (isHeld(instance) || unread.length > 0) held.push(instance);
      else (this.proofNeeded(podKey, instance) ? unproven : remove).push(instance);
    }
    return {
      changes: {
        ...changes,
        create: changes.create.filter(({ service }) => !unread.includes(service)),
        update,
        remove,
      },
      unproven,
      rejections: [...(desired?.rejections ?? []), ...refused.values(), ...refusals.values()],
      warnings: desired?.warnings ?? [],
      refusedNodes: [...refusals.keys()],
      unread,
      held,
      isAsked: desired?.isAsked ?? false,
      awaited: sources && desired ? this.#awaited(sources, desired) : [],
      rule: desired?.rule ?? 'there is no such pod',
    };
  }

  #awaited({ pod, services }: PlanSources, { isEligible, unclear }: Desired): readonly Service[] {
    if (!this.#asking || !isEligible || !isShut(pod)) return [];
    const clear = new Set(services.map(({ service }) => service).filter(({ name }) => !unclear.has(name)));
    return this.#asking.get(pod.namespace).filter((service) => !clear.has(service) && selectsPod(service, pod));
  }

  /** Registrations by identity, without those whose Consul node has its name from somebody else; and these nodes. */
  #homes(desired: Desired | undefined): { wanted: Map<string, Registration>; refusals: Map<string, Rejection> } {
    const wanted = new Map<string, Registration>();
    const refusals = new Map<string, Rejection>();
    for (const registration of desired?.registrations.values() ?? []) {
      const { name } = registration.node;
      const node = this.#own.node(name);
      if (node.state === 'refused') refusals.set(name, { reason: 'NodeConflict', message: node.why });
      else wanted.set(identityOf(registration), registration);
    }
    return { wanted, refusals };
  }

  /** A direct read answered that the object which this instance needs does not exist. */
  proveGone(observed: OwnInstance): void {
    this.#provenGone.add(observed);
  }

  /**
   * What must be read directly before an instance that is not wanted may be removed; undefined when that is evidenced.
   *
   * | pod                             | Service that was the reason             | the removal is                              |
   * |---------------------------------|-----------------------------------------|---------------------------------------------|
   * | its DELETED event was seen      |                                         | evidenced                                   |
   * | missing                         |                                         | inferred: needs a read of the pod           |
   * | held, whatever its uid          | none                                    | evidenced: the pure function says no        |
   * | held                            | missing                                 | inferred: needs a read of the Service       |
   * | held, and may have registrations | held and asks, no slice targets the pod | inferred: needs a read of all of its slices |
   * | held                            | held                                    | evidenced: the pure function says no        |
   *
   * A slice that could not be read is not in the view, and says no more of itself than one that is gone.
   */
  proofNeeded(podKey: string, observed: OwnInstance): Proof | undefined {
    const { pods, services } = this.#views;
    if (pods.sawDeletion(observed.podUid) || this.#provenGone.has(observed)) return undefined;
    const pod = pods.get(podKey);
    if (pod === undefined) {
      const [namespace = '', name = ''] = podKey.split('/');
      return { kind: 'Pod', namespace, name, uid: observed.podUid };
    }
    const name = observed.registration.meta.get(META.service) ?? '';
    if (name === '') return undefined;
    const { namespace } = pod;
    const key = objectKey({ namespace, name });
    const service = services.get(key);
    if (!service) return { kind: 'Service', namespace, name, uid: '' };
    const isTargeted = this.#slicesOfPod.get(podKey).some((slice) => serviceKeyOf(slice) === key);
    if (isTargeted || !askedByService(service) || !mayHaveRegistrations(pod, this.#config)) return undefined;
    return { kind: 'EndpointSlice', namespace, name, uid: '' };
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
    const zone = zoneOf(this.#views.nodes.get(nodeName));
    return { pod, services, zone, nodeAddress: this.#nodeAddresses.of(nodeName) };
  }

  /** Any of its pods corrects a node that somebody changed, or that has another address now. */
  #isNodeRight({ name, address }: ConsulNode): boolean {
    const node = this.#own.node(name);
    return node.state === 'ours' && node.isIntact && node.address === address;
  }
}

function hasCheck(registration: Registration, observed: OwnInstance): boolean {
  return observed.checkIndex > 0 && sameCheck(registration.check, observed.registration.check);
}

/**
 * The pods that a slice targets; none for a slice of ours, which came out of Consul. A target in another namespace is
 * none either: whoever may write slices in one namespace must not register the pods of another.
 */
export function podsOfSlice(slice: EndpointSlice): string[] {
  if (isMarkedObject(slice.labels)) return [];
  return slice.endpoints.flatMap(({ target }) =>
    target && isPodHere(slice, target) ? [objectKey({ namespace: slice.namespace, name: target.name })] : [],
  );
}

function isPodHere(slice: EndpointSlice, target: Endpoint['target']): boolean {
  return target?.kind === 'Pod' && (target.namespace === '' || target.namespace === slice.namespace);
}

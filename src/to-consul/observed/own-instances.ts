import { identityOf, podKeyOf } from '../registration/registration.ts';
import type { Form } from './form.ts';
import { KeptInstance } from './kept-instance.ts';
import type { NamedInstance, OwnInstance } from './own-instance.ts';

/** Those of a Consul service. */
interface OfService {
  readonly instances: Set<KeptInstance>;
  /** See KeptInstance. */
  readonly forms: Form[];
}

/** Our instances as far as we know them, each with its pod and its Consul node. */
export class OwnInstances {
  /** Most pods have a single instance, which costs no list. */
  readonly #byPod = new Map<string, KeptInstance | readonly KeptInstance[]>();
  readonly #byNode = new Map<string, Set<KeptInstance>>();
  /** By the name of the Consul service, lower case. */
  readonly #byService = new Map<string, OfService>();
  /** Those whose check is critical because we wrote that. */
  readonly #critical = new Set<KeptInstance>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  podKeys(): IterableIterator<string> {
    return this.#byPod.keys();
  }

  /** By `node/id`, as it is at that moment. */
  ofPod(podKey: string): ReadonlyMap<string, OwnInstance> {
    return byIdentity(this.#ofPod(podKey));
  }

  /** The names of the pod's instances, which cost less than the instances. */
  namesOfPod(podKey: string): readonly NamedInstance[] {
    return this.#ofPod(podKey);
  }

  /** By `node/id`, as it is at that moment. */
  ofNode(name: string): ReadonlyMap<string, OwnInstance> {
    return byIdentity(this.#byNode.get(name) ?? []);
  }

  hasNone(name: string): boolean {
    return !this.#byNode.has(name);
  }

  /** Those of a Consul service, in any case of its name. */
  ofService(name: string): Iterable<OwnInstance> {
    return this.#byService.get(name.toLowerCase())?.instances ?? [];
  }

  /**
   * Our nodes on which a check is not in the state that we wrote, given all the checks that Consul has in that state. It
   * costs as much as there are such checks, however many instances are passing.
   * @param listed `node/checkId`, lower case; a check of ours has the ID of its instance
   */
  nodesWithOtherChecks(status: 'critical' | 'warning', listed: ReadonlySet<string>): Set<string> {
    const nodes = new Set<string>();
    for (const identity of listed) {
      const known = this.#ofIdentity(identity);
      if (known && known.status !== status) nodes.add(known.nodeName);
    }
    if (status === 'critical')
      for (const { checkIndex, identity, nodeName } of this.#critical)
        if (checkIndex > 0 && !listed.has(identity)) nodes.add(nodeName);
    return nodes;
  }

  put(observed: OwnInstance): void {
    const { registration, podKey } = observed;
    const ofPod = this.#ofPod(podKey);
    const ofNode = this.#byNode.get(registration.node.name) ?? new Set();
    const ofService = this.#byService.get(registration.service.toLowerCase()) ?? { instances: new Set(), forms: [] };
    const [beside] = ofNode;
    // A text of its own for each instance would be as large as the instance.
    const instance = new KeptInstance(observed, ofService.forms, beside, ofPod[0]?.podKey ?? podKey);
    const before = find(ofPod, identityOf(registration));
    if (before) this.#take(before);
    this.#size++;
    this.#byNode.set(instance.nodeName, ofNode.add(instance));
    this.#byService.set(instance.service.toLowerCase(), ofService);
    ofService.instances.add(instance);
    if (instance.status === 'critical') this.#critical.add(instance);
    if (ofPod.length === 0 || (before && ofPod.length === 1)) this.#byPod.set(instance.podKey, instance);
    else if (before)
      this.#byPod.set(
        instance.podKey,
        ofPod.map((one) => (one === before ? instance : one)),
      );
    else this.#byPod.set(instance.podKey, [...ofPod, instance]);
  }

  remove({ registration, podKey }: OwnInstance): void {
    const ofPod = this.#ofPod(podKey);
    const known = find(ofPod, identityOf(registration));
    if (!known) return;
    this.#take(known);
    const [first, ...others] = ofPod.filter((one) => one !== known);
    if (first) this.#byPod.set(podKey, others.length > 0 ? [first, ...others] : first);
    else this.#byPod.delete(podKey);
  }

  /** From everywhere but its pod. */
  #take(known: KeptInstance): void {
    this.#size--;
    this.#critical.delete(known);
    const ofNode = this.#byNode.get(known.nodeName);
    ofNode?.delete(known);
    if (ofNode?.size === 0) this.#byNode.delete(known.nodeName);
    const service = known.service.toLowerCase();
    const ofService = this.#byService.get(service);
    ofService?.instances.delete(known);
    if (ofService?.instances.size === 0) this.#byService.delete(service);
  }

  #ofPod(podKey: string): readonly KeptInstance[] {
    const ofPod = this.#byPod.get(podKey) ?? NONE;
    return ofPod instanceof KeptInstance ? [ofPod] : ofPod;
  }

  /** An instance that has a check of ours. */
  #ofIdentity(identity: string): KeptInstance | undefined {
    const id = identity.slice(identity.indexOf('/') + 1);
    const podKey = podKeyOf(id.slice(0, Math.max(0, id.indexOf('.'))), id);
    const known = podKey === undefined ? undefined : find(this.#ofPod(podKey), identity);
    return known && known.checkIndex > 0 ? known : undefined;
  }
}

const NONE: readonly KeptInstance[] = [];

function byIdentity(instances: Iterable<KeptInstance>): ReadonlyMap<string, OwnInstance> {
  return new Map(Array.from(instances, (instance) => [instance.identity, instance]));
}

function find(instances: readonly KeptInstance[], identity: string): KeptInstance | undefined {
  return instances.find((instance) => instance.identity === identity);
}

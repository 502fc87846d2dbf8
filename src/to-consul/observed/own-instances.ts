import type { OwnInstance } from './own-instance.ts';
import { identityOf } from '../registration/registration.ts';

/** Our instances as far as we know them, each with its pod and its Consul node. */
export class OwnInstances {
  /** By pod, then by `node/id`. */
  readonly #byPod = new Map<string, Map<string, OwnInstance>>();
  readonly #byNode = new Map<string, Map<string, OwnInstance>>();
  /** By the name of the Consul service, lower case. */
  readonly #byService = new Map<string, Set<OwnInstance>>();
  /** Those whose check is critical because we wrote that, by `node/id`. */
  readonly #critical = new Map<string, OwnInstance>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  podKeys(): IterableIterator<string> {
    return this.#byPod.keys();
  }

  /** By `node/id`. */
  ofPod(podKey: string): ReadonlyMap<string, OwnInstance> {
    return this.#byPod.get(podKey) ?? NO_INSTANCES;
  }

  /** By `node/id`. */
  ofNode(name: string): ReadonlyMap<string, OwnInstance> {
    return this.#byNode.get(name) ?? NO_INSTANCES;
  }

  /** Those of a Consul service, in any case of its name. */
  ofService(name: string): Iterable<OwnInstance> {
    return this.#byService.get(name.toLowerCase()) ?? [];
  }

  /**
   * Our nodes on which a check is not in the state that we wrote, given all the checks that Consul has in that state. It
   * costs as much as there are such checks, however many instances are passing.
   * @param listed `node/checkId`, lower case; a check of ours has the ID of its instance
   */
  nodesWithOtherChecks(status: 'critical' | 'warning', listed: ReadonlySet<string>): Set<string> {
    const nodes = new Set<string>();
    for (const identity of listed) {
      const observed = this.#ofIdentity(identity);
      if (observed && observed.registration.check.status !== status) nodes.add(observed.registration.node.name);
    }
    if (status === 'critical')
      for (const [identity, { registration, checkIndex }] of this.#critical)
        if (checkIndex > 0 && !listed.has(identity)) nodes.add(registration.node.name);
    return nodes;
  }

  put(observed: OwnInstance): void {
    const { registration, podKey } = observed;
    const identity = identityOf(registration);
    at(this.#byPod, podKey).set(identity, observed);
    const ofNode = at(this.#byNode, registration.node.name);
    const before = ofNode.get(identity);
    if (before) this.#leaveService(before);
    else this.#size++;
    ofNode.set(identity, observed);
    const service = registration.service.toLowerCase();
    const ofService = this.#byService.get(service);
    if (ofService) ofService.add(observed);
    else this.#byService.set(service, new Set([observed]));
    if (registration.check.status === 'critical') this.#critical.set(identity, observed);
    else this.#critical.delete(identity);
  }

  remove({ registration, podKey }: OwnInstance): void {
    const identity = identityOf(registration);
    const ofNode = this.#byNode.get(registration.node.name);
    const known = ofNode?.get(identity);
    if (known) {
      this.#leaveService(known);
      this.#size--;
    }
    ofNode?.delete(identity);
    this.#critical.delete(identity);
    const ofPod = this.#byPod.get(podKey);
    ofPod?.delete(identity);
    if (ofPod?.size === 0) this.#byPod.delete(podKey);
  }

  #leaveService(observed: OwnInstance): void {
    const service = observed.registration.service.toLowerCase();
    const ofService = this.#byService.get(service);
    ofService?.delete(observed);
    if (ofService?.size === 0) this.#byService.delete(service);
  }

  /** An instance that has a check of ours. */
  #ofIdentity(identity: string): OwnInstance | undefined {
    const observed = this.#byNode.get(identity.slice(0, identity.indexOf('/')))?.get(identity);
    return observed && observed.checkIndex > 0 ? observed : undefined;
  }
}

const NO_INSTANCES: ReadonlyMap<string, OwnInstance> = new Map();

function at(map: Map<string, Map<string, OwnInstance>>, key: string): Map<string, OwnInstance> {
  let inner = map.get(key);
  if (!inner) map.set(key, (inner = new Map<string, OwnInstance>()));
  return inner;
}

import type { Changes } from '../../../src/reconcile/changes.ts';
import type { NodeState, OwnInstance } from '../../../src/to-consul/observed/own-instance.ts';
import { OwnInstances } from '../../../src/to-consul/observed/own-instances.ts';
import type { Ours } from '../../../src/to-consul/plan/sources.ts';
import { identityOf, podKeyOf, type Registration } from '../../../src/to-consul/registration/registration.ts';
import { META } from '../../../src/mark.ts';
import { owner } from '../builders.ts';

/** What is ours in a Consul that is a map: changes are applied as a transaction would. */
export class MemoryConsul implements Ours {
  readonly #instances = new OwnInstances();
  readonly #nodes = new Map<string, NodeState>();
  #index = 100;
  /** The IDs of all that was ever removed, in that order. */
  readonly removed: string[] = [];

  constructor(...instances: readonly OwnInstance[]) {
    for (const instance of instances) {
      this.#instances.put(instance);
      this.setNode(instance.registration.node.name, { address: instance.registration.node.address });
    }
  }

  get size(): number {
    return this.#instances.size;
  }

  namesOfPod(podKey: string) {
    return this.#instances.namesOfPod(podKey);
  }

  podKeys(): Iterable<string> {
    return [...this.#instances.podKeys()];
  }

  ofPod(podKey: string): ReadonlyMap<string, OwnInstance> {
    return this.#instances.ofPod(podKey);
  }

  ofService(service: string): Iterable<OwnInstance> {
    return [...this.#instances.ofService(service)];
  }

  node(name: string): NodeState {
    return this.#nodes.get(name) ?? { state: 'absent' };
  }

  /** A node of ours, or one that somebody else has. */
  setNode(name: string, node: { address?: string; isIntact?: boolean; why?: string } = {}): void {
    const { address = '192.168.1.11', isIntact = true, why } = node;
    this.#nodes.set(
      name,
      why === undefined ? { state: 'ours', address, isIntact, modifyIndex: ++this.#index } : { state: 'refused', why },
    );
  }

  clearNode(name: string): void {
    this.#nodes.delete(name);
  }

  /** What is there, a line each: service, address, port and status. */
  get shown(): string[] {
    const all = [...this.podKeys()].flatMap((podKey) => [...this.ofPod(podKey).values()]);
    return all
      .map(({ registration: { id, service, address, port, check } }) =>
        [id, service, `${address}:${port}`, check.status].join(' '),
      )
      .sort();
  }

  /** @throws Error for a creation of what is there, and for a change of what is not as it was observed: `cas`. */
  apply({ create, update, remove }: Changes<Registration, OwnInstance>): void {
    const stored = ({ registration, podKey }: OwnInstance) => this.ofPod(podKey).get(identityOf(registration));
    for (const observed of [...remove, ...update.map(({ observed }) => observed)])
      if (stored(observed) !== observed) throw new Error(`${observed.registration.id} is not as it was observed`);
    for (const registration of create)
      if (stored(this.#instanceOf(registration))) throw new Error(`${registration.id} is there already`);
    for (const observed of remove) {
      this.#instances.remove(observed);
      this.removed.push(observed.registration.id);
    }
    for (const registration of [...create, ...update.map(({ desired }) => desired)]) {
      this.#instances.put(this.#instanceOf(registration));
      this.setNode(registration.node.name, { address: registration.node.address });
    }
  }

  #instanceOf(registration: Registration): OwnInstance {
    const index = ++this.#index;
    return {
      registration,
      podKey: podKeyOf(owner.cluster, registration.id) ?? '',
      podUid: registration.meta.get(META.podUid) ?? '',
      serviceIndex: index,
      checkIndex: index,
    };
  }
}

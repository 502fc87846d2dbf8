import type { ConsulRight } from '../../consul/rights.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Registration } from '../registration/registration.ts';
import type { Ours } from './sources.ts';

/** What a refused registration waits for: a name of Consul services, lower case; room in a namespace; or a right in Consul. */
export type Wait = { readonly name: string } | { readonly namespace: string } | { readonly right: ConsulRight };

/**
 * Who has which places in Consul, whether or not the policy limits them now: it may at any time.
 * - names, for a policy that denies by default: the namespace that published a name first has it;
 * - instances of a namespace, for a policy with `maxInstances`.
 *
 * A pod has the places of its last plan that was about to be written, from that moment on: so no other pod, even of the same
 * transaction, gets the last place as well. What the plan removes keeps its place until it is gone.
 */
export class Places {
  /** Names, lower case, to the namespaces that publish them with their pods, first come first. */
  readonly #publishers = new Map<string, Map<string, Set<string>>>();
  /** Pods to the names that they publish. */
  readonly #names = new Map<string, readonly string[]>();
  /** Namespaces to their pods with the number of instances. */
  readonly #counts = new Map<string, { total: number; readonly pods: Map<string, number> }>();

  constructor(own: Pick<Ours, 'podKeys' | 'namesOfPod'>) {
    for (const podKey of own.podKeys()) this.record(podKey, own.namesOfPod(podKey));
  }

  /** The namespace that published the name first, and still does. */
  firstNamespace(service: string): string | undefined {
    const [first] = this.#publishers.get(service.toLowerCase())?.keys() ?? [];
    return first;
  }

  /** How many instances the other pods of the pod's namespace have. */
  ofOthers(podKey: string): number {
    const counts = this.#counts.get(namespaceOf(podKey));
    return (counts?.total ?? 0) - (counts?.pods.get(podKey) ?? 0);
  }

  /**
   * What a pod has or gets, from now on; an empty list gives up its places.
   * @returns what became free by it, for those that wait
   */
  record(podKey: string, registrations: readonly Pick<Registration, 'service'>[]): Wait[] {
    const namespace = namespaceOf(podKey);
    const freed: Wait[] = [];
    if (this.#recordCount(podKey, namespace, registrations.length)) freed.push({ namespace });
    const names = [...new Set(registrations.map(({ service }) => service.toLowerCase()))];
    freed.push(...this.#recordNames(podKey, namespace, names).map((name) => ({ name })));
    return freed;
  }

  /** Whether the pod has fewer instances now than before. */
  #recordCount(podKey: string, namespace: string, count: number): boolean {
    const counts = this.#counts.get(namespace) ?? { total: 0, pods: new Map<string, number>() };
    this.#counts.set(namespace, counts);
    const before = counts.pods.get(podKey) ?? 0;
    counts.total += count - before;
    if (count > 0) counts.pods.set(podKey, count);
    else counts.pods.delete(podKey);
    return count < before;
  }

  /** The names that the pod's namespace does not publish any more. */
  #recordNames(podKey: string, namespace: string, names: readonly string[]): string[] {
    const before = this.#names.get(podKey) ?? [];
    if (names.length > 0) this.#names.set(podKey, names);
    else this.#names.delete(podKey);
    for (const name of names) {
      const namespaces = this.#publishers.get(name) ?? new Map<string, Set<string>>();
      this.#publishers.set(name, namespaces);
      const pods = namespaces.get(namespace) ?? new Set<string>();
      namespaces.set(namespace, pods.add(podKey));
    }
    return before.filter((name) => !names.includes(name) && this.#giveUp(name, podKey, namespace));
  }

  /** Whether nobody else in the namespace publishes the name. */
  #giveUp(name: string, podKey: string, namespace: string): boolean {
    const namespaces = this.#publishers.get(name);
    const pods = namespaces?.get(namespace);
    pods?.delete(podKey);
    if (pods?.size !== 0) return false;
    namespaces?.delete(namespace);
    if (namespaces?.size === 0) this.#publishers.delete(name);
    return true;
  }
}

/** The places with those of instances that are in Consul and stay there for now. */
export function withStaying(places: readonly Registration[], staying: readonly OwnInstance[]): readonly Registration[] {
  if (staying.length === 0) return places;
  return [...places, ...beside(places, staying).map(({ registration }) => registration)];
}

/** The instances whose IDs none of the registrations has: one that is to move has one place, not two. */
export function beside(registrations: Iterable<Registration>, instances: Iterable<OwnInstance>): OwnInstance[] {
  const ids = new Set(Array.from(registrations, ({ id }) => id.toLowerCase()));
  return [...instances].filter(({ registration }) => !ids.has(registration.id.toLowerCase()));
}

export function namespaceOf(podKey: string): string {
  return podKey.slice(0, podKey.indexOf('/'));
}

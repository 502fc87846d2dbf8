import type { KubernetesObject } from './objects.ts';
import type { Answered, Listener, View } from './view.ts';

/**
 * The views of one kind in several namespaces, as one. Each namespace keeps what it knows for itself, what it saw deleted and
 * what a new list of it replaces among that; of a namespace that is not read yet there is nothing.
 */
export class UnitedView<T extends KubernetesObject> implements View<T> {
  readonly #parts = new Map<string, View<T>>();
  readonly #listeners: Listener<T>[] = [];

  /** Its objects appear, all at once, to everybody who listens. To be called once for each namespace. */
  add(namespace: string, part: View<T>): void {
    this.#parts.set(namespace, part);
    for (const listener of this.#listeners) part.subscribe(listener);
    for (const object of [...part.values()]) for (const listener of this.#listeners) listener(undefined, object);
  }

  get size(): number {
    return [...this.#parts.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get(key: string): T | undefined {
    return this.#parts.get(key.slice(0, Math.max(0, key.indexOf('/'))))?.get(key);
  }

  *values(): IterableIterator<T> {
    for (const part of this.#parts.values()) yield* part.values();
  }

  sawDeletion(uid: string): boolean {
    return [...this.#parts.values()].some((part) => part.sawDeletion(uid));
  }

  subscribe(listener: Listener<T>): void {
    this.#listeners.push(listener);
    for (const part of this.#parts.values()) part.subscribe(listener);
  }

  put(object: T): void {
    this.#parts.get(object.namespace)?.put(object);
  }

  drop(object: T): void {
    this.#parts.get(object.namespace)?.drop(object);
  }

  beginWrite(): Answered<T> {
    const begun = new Map([...this.#parts].map(([namespace, part]) => [namespace, part.beginWrite()]));
    return {
      put: (object) => begun.get(object.namespace)?.put(object),
      drop: (object) => begun.get(object.namespace)?.drop(object),
    };
  }
}

import { identity } from './instance-filter.ts';
import type { ServiceInstance } from './types.ts';

/**
 * Under which name each instance was seen last. An ID can be registered anew under another name, and then Consul need not move
 * the index of the old one (seen on 1.22.0): only this tells that what is known of that name is out of date.
 */
export class InstanceNames {
  readonly #names = new Map<string, string>();
  readonly #seen = new Map<string, readonly string[]>();

  /** An answer about the name has these instances. Returns the names that they were seen under before. */
  see(name: string, instances: readonly ServiceInstance[]): Set<string> {
    const before = this.#seen.get(name) ?? [];
    const now = instances.map(identity);
    const others = new Set<string>();
    for (const id of before) if (this.#names.get(id) === name) this.#names.delete(id);
    for (const id of now) {
      const other = this.#names.get(id);
      if (other !== undefined && other !== name) others.add(other);
      this.#names.set(id, name);
    }
    this.#seen.set(name, now);
    return others;
  }
}

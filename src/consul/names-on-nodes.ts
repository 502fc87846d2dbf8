import type { ServiceInstance } from './types.ts';

/** Which names have an instance on a node, as far as they were read. */
export class NamesOnNodes {
  readonly #names = new Map<string, Set<string>>();
  readonly #nodes = new Map<string, ReadonlySet<string>>();

  /** What is known of a name's instances now. */
  take(name: string, instances: readonly ServiceInstance[]): void {
    const nodes = new Set(instances.map(({ node }) => node));
    for (const node of this.#nodes.get(name) ?? []) if (!nodes.has(node)) this.#leave(node, name);
    for (const node of nodes) {
      const names = this.#names.get(node);
      if (names) names.add(name);
      else this.#names.set(node, new Set([name]));
    }
    if (nodes.size > 0) this.#nodes.set(name, nodes);
    else this.#nodes.delete(name);
  }

  /** Names with an instance on one of these nodes. */
  on(nodes: Iterable<string>): Set<string> {
    const names = new Set<string>();
    for (const node of nodes) for (const name of this.#names.get(node) ?? []) names.add(name);
    return names;
  }

  #leave(node: string, name: string): void {
    const names = this.#names.get(node);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(node);
  }
}

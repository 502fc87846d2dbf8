/**
 * Consul nodes of which a consistent read says that an entry is missing, and of which Consul says, when that is to be created,
 * that it exists. On one node that is a race of its own; on two or more, reads and writes do not come to the same Consul, or
 * something is hidden from our token: then nothing that it answers is trusted, until something could be written again.
 */
export class Contradictions {
  readonly #nodes = new Set<string>();

  add(node: string): void {
    this.#nodes.add(node);
  }

  /** Something was written as it was planned. */
  clear(): void {
    this.#nodes.clear();
  }

  /** In words; undefined when there is none that counts. */
  get why(): string | undefined {
    if (this.#nodes.size < 2) return undefined;
    const [first = '', second = ''] = this.#nodes;
    return (
      `Consul says of ${this.#nodes.size} nodes (${first}, ${second}${this.#nodes.size > 2 ? ', ...' : ''}) that entries are missing, ` +
      'and that they exist: do reads and writes come to the same Consul, and may the token read all of it?'
    );
  }
}

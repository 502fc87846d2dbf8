import type { Touched } from '../observed/own-catalog.ts';

/** The Consul nodes on which something is going on, so that nothing else may be begun there. */
export class BusyNodes {
  readonly #closed = new Set<string>();
  readonly #touched = new Set<Touched>();
  readonly #uncertain = new Set<string>();

  /** Nodes that a transaction on its way creates or corrects, and reserved nodes: a key that needs such a node waits. */
  get closed(): ReadonlySet<string> {
    return this.#closed;
  }

  /** Nodes with a write of which nobody knows whether it was applied. */
  get uncertain(): ReadonlySet<string> {
    return this.#uncertain;
  }

  /** A transaction goes out. @param brought the nodes that it creates or corrects */
  transactionBegins(touched: Touched, brought: Iterable<string>): void {
    this.#touched.add(touched);
    for (const node of brought) this.#closed.add(node);
  }

  /** The transaction came back. */
  transactionEnds(touched: Touched, brought: Iterable<string>): void {
    this.#touched.delete(touched);
    for (const node of brought) this.#closed.delete(node);
  }

  /** A transaction may have been applied, or may still be. */
  doubt(touched: Touched): void {
    for (const node of touched.keys()) this.#uncertain.add(node);
  }

  /** The nodes were read again. */
  trust(nodes: Iterable<string>): void {
    for (const node of nodes) this.#uncertain.delete(node);
  }

  /**
   * Closes a node until the returned function is called. Undefined when a transaction that touches the node is on its way,
   * when nobody knows what became of one, or when the node is closed already.
   */
  reserve(node: string): (() => void) | undefined {
    const isTouched = [...this.#touched].some((nodes) => nodes.has(node));
    if (isTouched || this.#uncertain.has(node) || this.#closed.has(node)) return undefined;
    this.#closed.add(node);
    return () => this.#closed.delete(node);
  }
}

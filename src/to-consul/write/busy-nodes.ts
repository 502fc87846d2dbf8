import type { Touched } from '../observed/own-catalog.ts';

/** The Consul nodes on which something is going on, so that nothing else may be begun there. */
export class BusyNodes {
  readonly #closed = new Set<string>();
  readonly #reserved = new Set<string>();
  readonly #touched = new Set<Touched>();

  /** Nodes that a transaction on its way creates or corrects: a key that needs such a node waits for its answer. */
  get closed(): ReadonlySet<string> {
    return this.#closed;
  }

  /** Nodes that somebody keeps for himself: how long, only he knows. */
  get reserved(): ReadonlySet<string> {
    return this.#reserved;
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

  /**
   * Reserves a node until the returned function is called. Undefined when a transaction that touches the node is on its way,
   * or when the node is reserved already.
   */
  reserve(node: string): (() => void) | undefined {
    const isTouched = [...this.#touched].some((nodes) => nodes.has(node));
    if (isTouched || this.#reserved.has(node)) return undefined;
    this.#reserved.add(node);
    return () => this.#reserved.delete(node);
  }
}

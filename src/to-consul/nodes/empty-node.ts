import type { NodeContents } from '../../consul/types.ts';
import { ownsNode, type Owner } from '../../mark.ts';
import { standsForNode } from '../registration/registration.ts';

/**
 * Why a Consul node must stay, given all that is on it, or undefined when it may be removed. Consul takes everything on a
 * node along with it, so there must be nothing at all, whoever wrote it.
 *
 * | name                          | marks | services | checks | outcome |
 * |-------------------------------|-------|----------|--------|---------|
 * | of no Kubernetes node of ours |       |          |        | stays   |
 * | of one                        | not ours |       |        | stays   |
 * | of one                        | ours  | any      |        | stays   |
 * | of one                        | ours  | none     | any    | stays   |
 * | of one                        | ours  | none     | none   | removed |
 */
export function whyNodeStays(owner: Owner, { node, services, checks }: NodeContents): string | undefined {
  if (!standsForNode(owner.cluster, node.name)) return 'it stands for no Kubernetes node';
  if (!ownsNode(owner, node.meta)) return 'it was not made by this installation';
  if (services.length > 0) return `it has ${services.length} service instances`;
  if (checks.length > 0) return `it has ${checks.length} checks`;
  return undefined;
}

/** Since when each node has been empty, by a clock of the caller's. */
export class EmptySince {
  readonly #graceMs: number;
  readonly #known = new Map<string, { readonly generation: number; readonly at: number }>();

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /**
   * The nodes that have been empty for long enough.
   * @param empty all nodes that are empty now, each with a number that moves when anything is written there: it tells that a
   *   node was in use between two looks
   */
  due(empty: ReadonlyMap<string, number>, now: number): string[] {
    for (const name of this.#known.keys()) if (!empty.has(name)) this.#known.delete(name);
    const due: string[] = [];
    for (const [name, generation] of empty) {
      const known = this.#known.get(name);
      if (known?.generation !== generation) this.#known.set(name, { generation, at: now });
      else if (now - known.at >= this.#graceMs) due.push(name);
    }
    return due;
  }

  /** The node was removed, or has to stay: it has to be empty as long again. */
  startAnew(name: string): void {
    this.#known.delete(name);
  }
}

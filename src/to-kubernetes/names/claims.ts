/** What of a plan decides about the claims of names. */
interface Claim {
  /** True when the Consul service should be mirrored. */
  readonly mirrored: boolean;
  /** True when it should, and has no place. */
  readonly overLimit: boolean;
  /** The Consul names that its own gave way to. */
  readonly rivals: readonly string[];
}

/**
 * Which Consul names have a place among `maxServices`, and which wait for others:
 * - a name that has objects of ours when Consular starts has a place; after that, first come, first served;
 * - a name keeps its place, and others give way to it, until it has no Service and is not to have one;
 * - then the names that gave way to it are looked at again, and, when it had a place, those that wait for a place: once,
 *   because their next plan says anew what they wait for;
 * - a name for which there is no place is given way to by nobody: those that did are looked at again, once too. They have
 *   their places, so that looking at them takes nobody's.
 */
export class Claims {
  readonly #most: () => number;
  readonly #placed: Set<string>;
  readonly #withoutPlace = new Set<string>();
  /** The names that gave way to a name, by that name; and the other way round. */
  readonly #gaveWayTo = new Map<string, Set<string>>();
  readonly #rivals = new Map<string, readonly string[]>();

  /** @param most asked each time, because the setting may change: what has a place keeps it */
  constructor(most: () => number, names: readonly string[]) {
    this.#most = most;
    this.#placed = new Set(names);
  }

  /** How many names wait for a place. */
  get waiting(): number {
    return this.#withoutPlace.size;
  }

  isPlaced(name: string): boolean {
    return this.#placed.has(name);
  }

  hasPlaceFor(name: string): boolean {
    return this.#placed.has(name) || this.#placed.size < this.#most();
  }

  /** Whether there is a place for another name too, once this name has its own. */
  hasPlaceBeside(name: string, other: string): boolean {
    const taken = this.#placed.size + (this.#placed.has(name) ? 0 : 1);
    return this.#placed.has(other) || taken < this.#most();
  }

  /** What the last plan of a name says. Returns the names to look at again. */
  note(name: string, { mirrored, overLimit, rivals }: Claim): Set<string> {
    if (mirrored && !overLimit) this.#placed.add(name);
    if (overLimit) this.#withoutPlace.add(name);
    else this.#withoutPlace.delete(name);
    this.#waitFor(name, rivals);
    return overLimit ? this.#takeWaitingFor(name) : new Set();
  }

  /** The name gave up its claim. Returns the names to look at again. */
  release(name: string): Set<string> {
    const names = this.#takeWaitingFor(name);
    if (this.#placed.delete(name)) for (const waiting of this.#withoutPlace) names.add(waiting);
    return names;
  }

  /** The names that gave way to it: they do so no more. */
  #takeWaitingFor(name: string): Set<string> {
    const names = new Set(this.#gaveWayTo.get(name));
    this.#gaveWayTo.delete(name);
    return names;
  }

  #waitFor(name: string, rivals: readonly string[]): void {
    for (const rival of this.#rivals.get(name) ?? []) {
      const names = this.#gaveWayTo.get(rival);
      names?.delete(name);
      if (names?.size === 0) this.#gaveWayTo.delete(rival);
    }
    if (rivals.length === 0) return void this.#rivals.delete(name);
    this.#rivals.set(name, rivals);
    for (const rival of rivals) {
      const names = this.#gaveWayTo.get(rival);
      if (names) names.add(name);
      else this.#gaveWayTo.set(rival, new Set([name]));
    }
  }
}

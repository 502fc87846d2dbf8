/**
 * First come, first served, each item once; any can step out of the line. Everything costs the same however long the line
 * is: an array would be moved with each item that is taken from its front, and a Set that is read from its front each time
 * walks over all that were deleted there.
 */
export class Line<T> {
  readonly #items = new Set<T>();
  /** Goes on where it stopped; what comes later comes to its end. */
  #front = this.#items.values();

  get size(): number {
    return this.#items.size;
  }

  /** At the end of the line; an item that waits already keeps its place. */
  add(item: T): void {
    this.#items.add(item);
  }

  delete(item: T): void {
    this.#items.delete(item);
  }

  clear(): void {
    this.#items.clear();
  }

  /** The item at the front, which leaves the line; undefined when nobody waits. */
  take(): T | undefined {
    if (this.#items.size === 0) return undefined;
    let next = this.#front.next();
    if (next.done) {
      this.#front = this.#items.values();
      next = this.#front.next();
    }
    if (next.done) return undefined;
    this.#items.delete(next.value);
    return next.value;
  }
}

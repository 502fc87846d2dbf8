/** How many there are of something in all, as the latest word on each key says: nothing is counted anew for it. */
export class Tally {
  readonly #counts = new Map<string, number>();
  #total = 0;

  note(key: string, count: number): void {
    this.#total += count - (this.#counts.get(key) ?? 0);
    if (count > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }

  get total(): number {
    return this.#total;
  }
}

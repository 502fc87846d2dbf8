/** Above this many changes in a second, a pause fills the transactions: fewer Raft entries, fewer wakes for everybody. */
const BURST_CHANGES = 50;
const BURST_MS = 1000;

/** Whether so much is being written that it pays to wait for more, by a clock of the caller's. */
export class Burst {
  readonly #recent: { readonly at: number; readonly changes: number }[] = [];

  /** A transaction with so many changes was applied. */
  add(changes: number, now: number): void {
    this.#recent.push({ at: now, changes });
  }

  isOn(now: number): boolean {
    while (this.#recent[0] && this.#recent[0].at < now - BURST_MS) this.#recent.shift();
    return this.#recent.reduce((sum, { changes }) => sum + changes, 0) > BURST_CHANGES;
  }
}

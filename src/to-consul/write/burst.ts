/** Above this many changes in a second, a pause fills the transactions: fewer Raft entries, fewer wakes for everybody. */
const BURST_CHANGES = 50;
const BURST_MS = 1000;
/** A burst is over when there were no more than so many of late: what comes alone after it must not wait for others. */
const LATE_CHANGES = 1;
const LATE_MS = 30;

/** Whether so much is being written that it pays to wait for more, by a clock of the caller's. */
export class Burst {
  readonly #recent: { readonly at: number; readonly changes: number }[] = [];

  /** A transaction with so many changes was applied. */
  add(changes: number, now: number): void {
    this.#recent.push({ at: now, changes });
  }

  isOn(now: number): boolean {
    while (this.#recent[0] && this.#recent[0].at < now - BURST_MS) this.#recent.shift();
    const since = (ms: number) =>
      this.#recent.reduce((sum, { at, changes }) => (at < now - ms ? sum : sum + changes), 0);
    return since(BURST_MS) > BURST_CHANGES && since(LATE_MS) > LATE_CHANGES;
  }
}

/** Work that is done one at a time, in the order in which it was asked for, whether what came before failed or not. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Map<() => Promise<void>, Promise<void>>();

  do<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** The same, once for all who ask for that work before it begins: what began earlier may not have seen why they ask. */
  doOnce(work: () => Promise<void>): Promise<void> {
    const waiting = this.#waiting.get(work);
    if (waiting) return waiting;
    const turn = this.do(() => {
      this.#waiting.delete(work);
      return work();
    });
    this.#waiting.set(work, turn);
    return turn;
  }
}

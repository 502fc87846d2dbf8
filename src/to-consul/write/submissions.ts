import type { TransactionConflict } from '../../consul/errors.ts';

/** A key that loses its race more often in a row goes back to the queue, which slows it down. */
const MOST_CONFLICTS = 3;

interface Submitted {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  conflicts: number;
  state: 'waiting' | 'in flight' | 'resting';
}

/** The keys to write, in order of submission; each stays until Consul has its state, or until it goes back to the queue. */
export class Submissions {
  readonly #submitted = new Map<string, Submitted>();
  #waiting = 0;

  /** Resolves or rejects when the key is settled. A key must not be added twice at a time. */
  add(key: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#submitted.set(key, { resolve, reject, conflicts: 0, state: 'waiting' });
      this.#waiting++;
    });
  }

  /** How many keys could be sent: they neither rest nor are in a transaction on its way. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The keys that could be sent. */
  *waitingKeys(): Generator<string> {
    for (const [key, { state }] of this.#submitted) if (state === 'waiting') yield key;
  }

  /** A transaction with the key goes out. */
  goesOut(key: string): void {
    this.#mark(this.#submitted.get(key), 'in flight');
  }

  /** The transaction came back: the key waits again, unless it is settled. */
  comesBack(key: string): void {
    this.#mark(this.#submitted.get(key), 'waiting');
  }

  /** Nothing can be sent for the key for now: nobody looks at it until it is woken. */
  rest(key: string): void {
    this.#mark(this.#submitted.get(key), 'resting');
  }

  /** All keys that rest wait again, each in its old place. */
  wake(): void {
    for (const submitted of this.#submitted.values())
      if (submitted.state === 'resting') this.#mark(submitted, 'waiting');
  }

  /** Consul has a part of the key's state: the rest comes after the keys that wait. */
  goesOn(key: string): void {
    const submitted = this.#submitted.get(key);
    if (!submitted) return;
    submitted.conflicts = 0;
    this.#submitted.delete(key);
    this.#submitted.set(key, submitted);
  }

  /** Consul refused the key. @param isFinal whether another try at once would be refused as well */
  refused(key: string, conflict: TransactionConflict, isFinal: boolean): void {
    const submitted = this.#submitted.get(key);
    if (submitted && (++submitted.conflicts > MOST_CONFLICTS || isFinal)) this.settle(key, conflict);
  }

  /** Consul has the key's state, or, with an error, the key goes back to the queue. A key that is not there is no concern. */
  settle(key: string, error?: unknown): void {
    const submitted = this.#submitted.get(key);
    if (submitted?.state === 'waiting') this.#waiting--;
    this.#submitted.delete(key);
    if (error === undefined) submitted?.resolve();
    else submitted?.reject(error);
  }

  #mark(submitted: Submitted | undefined, state: Submitted['state']): void {
    if (!submitted || submitted.state === state) return;
    this.#waiting += Number(state === 'waiting') - Number(submitted.state === 'waiting');
    submitted.state = state;
  }
}

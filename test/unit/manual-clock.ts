import type { Clock } from '../../src/clock.ts';
import { settled } from './reconcile/worker.ts';

interface Planned {
  readonly at: number;
  readonly run: () => void;
}

/** A clock that stands still until the test sets it. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #planned = new Set<Planned>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const planned = { at: this.#now + Math.max(0, ms), run };
    this.#planned.add(planned);
    return () => this.#planned.delete(planned);
  }

  /** In so many milliseconds each of what is planned is due, the earliest first. */
  get due(): number[] {
    return [...this.#planned].map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  /** Lets the time pass; what becomes due runs at its time, and all that follows from it without a clock. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#planned.delete(next);
      this.#now = next.at;
      next.run();
      await settled();
    }
    this.#now = end;
  }

  #next(end: number): Planned | undefined {
    return [...this.#planned].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }
}

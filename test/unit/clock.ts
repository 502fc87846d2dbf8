import type { Clock } from '../../src/clock.ts';

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** A clock that stands still until the test lets time pass. */
export class TestClock implements Clock {
  /** How long the waits were that somebody asked for and that were none of 0 ms, in order. */
  readonly waits: number[] = [];
  readonly #timers = new Set<Timer>();
  #now = 0;

  now(): number {
    return this.#now;
  }

  date(): Date {
    return new Date(Date.UTC(2026, 9, 20) + this.#now);
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), run };
    if (ms > 0) this.waits.push(ms);
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many calls are still to come. */
  get timers(): number {
    return this.#timers.size;
  }

  /** In so many milliseconds each of them is due, the earliest first. */
  get due(): number[] {
    return [...this.#timers].map(({ at }) => at - this.#now).sort((a, b) => a - b);
  }

  /** So much time passes: all that is due happens at its time, with everything that follows from it. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#nextUntil(end); next; next = this.#nextUntil(end)) {
      this.#now = next.at;
      this.#timers.delete(next);
      next.run();
      await settled();
    }
    this.#now = end;
  }

  #nextUntil(end: number): Timer | undefined {
    const due = [...this.#timers].filter(({ at }) => at <= end);
    return due.sort((a, b) => a.at - b.at)[0];
  }
}

/** Lets everything happen that needs no clock. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

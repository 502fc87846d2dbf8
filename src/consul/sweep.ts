import PQueue from 'p-queue';
import { inBackground } from '../background.ts';
import { systemClock, type Clock } from '../clock.ts';
import { sleep } from '../backoff.ts';

/** More parallel reads bring nothing: 2 000 services take 0.53 s with 8 connections and 0.41 s with 16. */
const CONCURRENCY = 8;

/** How sweeps keep their distance from each other. */
export interface SweepPace {
  /** So long after the first change of a burst: the burst is one sweep. */
  readonly firstMs: number;
  readonly gapMs: number;
  /** While the catalog churns, the gap between sweeps doubles up to here. */
  readonly longestGapMs: number;
}

const SWEEP_PACE: SweepPace = { firstMs: 200, gapMs: 1000, longestGapMs: 8000 };

export interface SweepOptions {
  /** Finds out what a sweep has to read; must not throw. */
  readonly due: () => Promise<Iterable<string>>;
  /** Must not throw. */
  readonly read: (name: string) => Promise<void>;
  readonly signal: AbortSignal;
  /** @default SWEEP_PACE */
  readonly pace?: SweepPace | undefined;
  /** @default the machine's */
  readonly clock?: Clock;
}

/**
 * Reads many services with few connections. A sweep reads all that are due, some time after it was asked for, at a
 * distance from the last one: at least twice as long as that took, and longer while it is asked for again and again.
 * Single reads go before. A name that waits to be read is not put in line twice.
 */
export class Sweep {
  readonly #options: SweepOptions;
  readonly #clock: Clock;
  readonly #pace: SweepPace;
  readonly #queue = new PQueue({ concurrency: CONCURRENCY });
  readonly #waiting = new Set<string>();
  /** What the next sweep reads beside all that is due, if it reads that. */
  #others = new Set<string>();
  #everything = false;
  #state: 'idle' | 'arranged' | 'running' = 'idle';
  #allowedAt = 0;
  #gapMs: number;

  constructor(options: SweepOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#pace = options.pace ?? SWEEP_PACE;
    this.#gapMs = this.#pace.gapMs;
    options.signal.addEventListener('abort', () => this.#queue.clear());
  }

  /** Sweeps as soon as the distance to the last sweep allows. */
  schedule(): void {
    this.#everything = true;
    this.#arrange();
  }

  /** Reads one service at the time of the next sweep, without sweeping for its sake. */
  readLater(name: string): void {
    this.#others.add(name);
    this.#arrange();
  }

  /** Reads one service before all that are waiting for their sweep. */
  readSoon(name: string): void {
    if (this.#waiting.has(name)) return;
    this.#waiting.add(name);
    const read = () => {
      // From here on a change may come too late for this read: it takes another.
      this.#waiting.delete(name);
      return this.#options.read(name);
    };
    inBackground(this.#queue.add(read, { priority: 1 }));
  }

  #arrange(): void {
    const { signal } = this.#options;
    // The running sweep may have read already what changed now: another sweep follows it.
    if (this.#state !== 'idle' || signal.aborted) return;
    this.#state = 'arranged';
    const { firstMs, gapMs, longestGapMs } = this.#pace;
    const wait = Math.max(firstMs, this.#allowedAt - this.#clock.now());
    // Having to wait for the last sweep means that changes go on: leave more room before the next.
    this.#gapMs = wait > firstMs ? Math.min(longestGapMs, this.#gapMs * 2) : gapMs;
    inBackground(sleep(wait, signal, this.#clock).then(() => (signal.aborted ? undefined : this.#run())));
  }

  async #run(): Promise<void> {
    const startedAt = this.#clock.now();
    const names = this.#others;
    const everything = this.#everything;
    this.#others = new Set();
    this.#everything = false;
    this.#state = 'running';
    if (everything) for (const name of await this.#options.due()) names.add(name);
    await this.all([...names], this.#options.read);
    const now = this.#clock.now();
    this.#allowedAt = now + Math.max(this.#gapMs, 2 * (now - startedAt));
    this.#state = 'idle';
    if (this.#everything || this.#others.size > 0) this.#arrange();
  }

  /** Runs something for each name, with the same few connections. */
  async all(names: readonly string[], read: (name: string) => Promise<void>): Promise<void> {
    await Promise.all(names.map((name) => this.#queue.add(() => read(name))));
  }
}

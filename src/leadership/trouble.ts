import { inBackground } from '../background.ts';
import { backoffMs, sleep } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import { isDenied } from '../consul/errors.ts';
import { explainError } from '../observability/log.ts';

/** Whoever waits for the end of a trouble may have nothing to write: full-jitter caps of 1, 2, 4, 5 s. */
const BACKOFF = { baseMs: 1000, maxMs: 5000 };

export interface TroubleOptions {
  /** Does again what failed. Its outcome is noted by itself. */
  readonly again: () => Promise<void>;
  /** False when nothing is to be written any more, whatever comes of it. */
  readonly isWorthIt: () => boolean;
  readonly clock: Clock;
  /** Ends every wait. */
  readonly signal: AbortSignal;
}

/** What keeps the fence from being moved or looked at, and so everything from being written. It is tried again until it is over. */
export class Trouble {
  readonly #options: TroubleOptions;
  #why: string | undefined;
  #isDenied = false;
  #isTryingAgain = false;

  constructor(options: TroubleOptions) {
    this.#options = options;
  }

  /** Undefined while there is none. */
  get why(): string | undefined {
    return this.#why;
  }

  /** Whether it is a right that is missing. */
  get isDenied(): boolean {
    return this.#isDenied;
  }

  end(): void {
    this.#why = undefined;
    this.#isDenied = false;
  }

  /** Does what keeps everything from being written when it fails. @throws what the work throws */
  async noted(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.end();
    } catch (error) {
      this.#why = explainError(error);
      this.#isDenied = isDenied(error);
      inBackground(this.#tryAgain());
      throw error;
    }
  }

  async #tryAgain(): Promise<void> {
    const { again, clock, signal } = this.#options;
    if (this.#isTryingAgain) return;
    this.#isTryingAgain = true;
    for (let tries = 0; this.#isOn; tries++) {
      await sleep(backoffMs(tries, BACKOFF), signal, clock);
      if (this.#isOn) await again().catch(() => undefined);
    }
    this.#isTryingAgain = false;
  }

  get #isOn(): boolean {
    return this.#why !== undefined && this.#options.isWorthIt() && !this.#options.signal.aborted;
  }
}

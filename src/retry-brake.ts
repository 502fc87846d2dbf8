import PQueue from 'p-queue';
import { sleep } from './backoff.ts';
import { systemClock, type Clock } from './clock.ts';

/** Requests a second that only repeat what failed, on average, and how many of them may come at once. 20 are promised. */
const PER_SECOND = 18;
const BURST = 20;

/** One try that waits at the brake. */
export interface Turn {
  /** Failures in a row so far. The fewest go first: what fails for the first time does not wait for what fails for hours. */
  readonly failures: number;
  /** Requests that the try takes, more or less. @default 1 */
  readonly requests?: number;
  /** Asked when the turn comes: a try that is not wanted any more takes no tokens. */
  readonly isWanted: () => boolean;
}

/**
 * Keeps what is tried again after a failure to 20 requests a second, of the whole daemon and whatever the servers answer: a
 * token bucket, and one line of those that wait for a token. First tries do not pass here. A retry that goes well gives its
 * tokens back, so that a line of thousands is worked off as soon as the servers answer well again.
 */
export class RetryBrake {
  readonly #clock: Clock;
  readonly #line = new PQueue({ concurrency: 1 });
  #tokens = BURST;
  #at: number;
  /** Ends the wait of the first in line for the next token. */
  #wake = new AbortController();

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.#at = clock.now();
  }

  /** Resolves when the try may be made, or is not wanted any more. */
  turn({ failures, requests = 1, isWanted }: Turn): Promise<void> {
    return this.#line.add(() => this.#whenFree(requests, isWanted), { priority: -failures });
  }

  /**
   * True when something may be tried again right now. It may take more tokens than there are: the line waits longer then.
   * @param requests that the try takes
   */
  tryTake(requests: number): boolean {
    this.#refill();
    if (this.#tokens < 1) return false;
    this.#tokens -= requests;
    return true;
  }

  /** A retry went well: what it took does not count. */
  giveBack(requests = 1): void {
    this.#tokens = Math.min(BURST, this.#tokens + requests);
    this.#wake.abort();
  }

  async #whenFree(requests: number, isWanted: () => boolean): Promise<void> {
    while (isWanted()) {
      this.#refill();
      const missing = requests - this.#tokens;
      if (missing <= 0) {
        this.#tokens -= requests;
        return;
      }
      this.#wake = new AbortController();
      await sleep(Math.ceil((missing / PER_SECOND) * 1000), this.#wake.signal, this.#clock);
    }
  }

  #refill(): void {
    const now = this.#clock.now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
  }
}

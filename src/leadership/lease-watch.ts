import { inBackground } from '../background.ts';
import { backoffMs, sleep } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import type { LeaseApi, LeaseName } from '../kubernetes/lease.ts';
import { explainError, type Log } from '../observability/log.ts';
import { namedRight } from './lease-errors.ts';

export interface LeaseWatchOptions {
  readonly api: Pick<LeaseApi, 'watch'>;
  readonly lease: LeaseName;
  /** Told the version of each change. */
  readonly onNews: (version: string) => void;
  readonly retryMs: number;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
}

const LONGEST_WAIT_MS = 10_000;

/**
 * Follows a Lease for ever. What the watch tells is only a reason to look: it may be silent, late or of an old time, and
 * costs nothing but speed then.
 */
export class LeaseWatch {
  readonly #options: LeaseWatchOptions;
  #failure: string | undefined;

  constructor(options: LeaseWatchOptions) {
    this.#options = options;
    inBackground(this.#run());
  }

  /** The right that is missing to follow the Lease; any other trouble is found by looking. */
  get failure(): string | undefined {
    return this.#failure;
  }

  async #run(): Promise<void> {
    const { retryMs, signal, clock, random } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      failures = (await this.#follow()) ? 0 : failures + 1;
      const wait = backoffMs(failures, { baseMs: retryMs, maxMs: LONGEST_WAIT_MS, random });
      await sleep(Math.max(retryMs / 2, wait), signal, clock);
    }
  }

  /** One watch; true when it came to an ordinary end. */
  async #follow(): Promise<boolean> {
    const { api, lease, onNews, signal, log } = this.#options;
    try {
      await api.watch((version) => {
        this.#failure = undefined;
        onNews(version);
      }, signal);
      this.#failure = undefined;
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const named = namedRight(error, lease);
      this.#failure = hasStatus(error, 403) ? explainError(named) : undefined;
      log.debug('cannot follow the Lease, looking at it all the same', { error: named });
      return false;
    }
  }
}

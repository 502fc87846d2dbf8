import { backoffMs, type BackoffOptions } from '../backoff.ts';
import { ConsulError } from './errors.ts';

/** Consul is out of reach, allows no more connections or has no leader: any moment may be the end of that. */
const LONGEST_IN_OUTAGE_MS = 5000;

/** Failures in a row of one question to Consul, and how long to wait before it is asked again. */
export class Failures {
  readonly #backoff: BackoffOptions;
  #status: number | undefined;
  #alike = 0;

  constructor(backoff: BackoffOptions) {
    this.#backoff = backoff;
  }

  /**
   * One failure more: how many milliseconds to wait. The wait grows with those that are alike; when Consul answers something
   * else it begins anew: a server that refused connections and knows no leader now is about to know one.
   */
  next(error: unknown): number {
    const status = error instanceof ConsulError ? error.status : undefined;
    if (status !== this.#status) this.#alike = 0;
    this.#status = status;
    const { maxMs } = this.#backoff;
    return backoffMs(this.#alike++, {
      ...this.#backoff,
      maxMs: isOutage(status) ? Math.min(maxMs, LONGEST_IN_OUTAGE_MS) : maxMs,
    });
  }

  /** It was answered well. */
  end(): void {
    this.#status = undefined;
    this.#alike = 0;
  }
}

function isOutage(status: number | undefined): boolean {
  return status !== undefined && (status === 0 || status === 429 || status >= 500);
}

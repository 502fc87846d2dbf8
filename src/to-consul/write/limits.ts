import type { ConsulError } from '../../consul/errors.ts';

/** How much goes into one transaction. */
export interface Limits {
  readonly operations: number;
  readonly bytes: number;
}

/** So many transactions in a row get through before more is tried: what is refused again costs one in as many. */
const COMMITS_TO_GROW = 32;

/**
 * What Consul, or what stands in front of it, takes in one transaction: less after each 413, and more again after a while,
 * because it may have been one server of several, or one that has been replaced since.
 */
export class AdaptiveLimits {
  /** What can be sent at all. */
  readonly most: Limits;
  #current: Limits;
  #commits = 0;

  constructor(most: Limits) {
    this.most = most;
    this.#current = most;
  }

  get current(): Limits {
    return this.#current;
  }

  /** A transaction of that size was too large: half of it from now on, in what there was too much of. */
  refused({ operations, bytes }: Limits, { detail }: ConsulError): void {
    this.#commits = 0;
    this.#current = detail.includes('too many operations')
      ? { ...this.#current, operations: Math.min(this.#current.operations, Math.floor(operations / 2)) }
      : { ...this.#current, bytes: Math.min(this.#current.bytes, Math.floor(bytes / 2)) };
  }

  /** A transaction got through. */
  committed(): void {
    if (++this.#commits < COMMITS_TO_GROW) return;
    this.#commits = 0;
    const { operations, bytes } = this.#current;
    this.#current = {
      operations: Math.min(this.most.operations, operations * 2),
      bytes: Math.min(this.most.bytes, bytes * 2),
    };
  }
}

import type { Fencing } from '../consul/committer.ts';
import { NotApplied } from '../consul/errors.ts';
import type { Committed, KeyCheck } from '../consul/transaction.ts';
import type { Fence } from './fence.ts';

/** Another process leads, or none: nothing is written now. */
export class NotLeading extends Error {
  constructor(why: string) {
    super(`write: expected to lead, found that this process does not: ${why}`);
    this.name = 'NotLeading';
  }
}

/** The right to write, as far as a Lease gives it. */
export interface Tenure {
  /** By the clock of this machine, so that it is over in time whatever the API server does. */
  isLeading(): boolean;
  /** Why it does not lead. */
  readonly why: string;
}

/**
 * Whether this process may write, which is asked before each write to either system:
 *
 * | election | Lease                     | fence                      | writes                                          |
 * |----------|---------------------------|----------------------------|-------------------------------------------------|
 * | on       | ours, renewed in time     | held                       | go out, to Consul behind the fence              |
 * | on       | ours, renewed in time     | no right to the key        | go out without a fence                          |
 * | on       | not renewed in time       | any                        | wait; go on if nobody else has had it meanwhile |
 * | any      | another's                 | or held by another         | never again by this process                     |
 * | off      |                           | held, or no right          | go out                                          |
 */
export class Leadership implements Fencing {
  readonly #tenure: Tenure | undefined;
  #fence: Fence | undefined;

  /** @param tenure undefined without an election: then the fence alone decides */
  constructor(tenure: Tenure | undefined) {
    this.#tenure = tenure;
  }

  /** From now on this process may write. */
  begin(fence: Fence): void {
    this.#fence = fence;
  }

  /** @throws NotLeading, Displaced unless this process may write now */
  assertLeading(): Fence {
    if (!this.#fence) throw new NotLeading('it has not begun to');
    if (this.#tenure && !this.#tenure.isLeading()) throw new NotLeading(this.#tenure.why);
    this.#fence.assertNotDisplaced();
    return this.#fence;
  }

  async around(send: (first: KeyCheck | undefined) => Promise<Committed>): Promise<Committed> {
    return this.#leadingFence().around(async (first) => {
      // Waiting for the fence may have taken long.
      this.#leadingFence();
      return send(first);
    });
  }

  /** @throws NotApplied unless this process may write now */
  #leadingFence(): Fence {
    try {
      return this.assertLeading();
    } catch (cause) {
      throw new NotApplied(cause);
    }
  }

  async settled(): Promise<void> {
    await this.assertLeading().settled();
  }
}

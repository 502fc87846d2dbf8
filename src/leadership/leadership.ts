import type { Fencing } from '../consul/committer.ts';
import { NotApplied } from '../consul/errors.ts';
import type { Committed, KeyCheck } from '../consul/transaction.ts';
import { Writes } from '../writes.ts';
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
 *
 * Whatever that says, nothing goes out while writes are off (see Writes), but the last word of Consular's own entry.
 */
export class Leadership implements Fencing {
  readonly #tenure: Tenure | undefined;
  readonly #writes: Writes;
  #fence: Fence | undefined;

  /**
   * @param tenure undefined without an election: then the fence alone decides
   * @param writes the switch; by default one that nobody switches off
   */
  constructor(tenure: Tenure | undefined, writes = new Writes()) {
    this.#tenure = tenure;
    this.#writes = writes;
  }

  /** From now on this process may write. */
  begin(fence: Fence): void {
    this.#fence = fence;
  }

  /** @throws WritesOff, NotLeading, Displaced unless this process may write now */
  assertLeading(): Fence {
    this.#writes.assertOn();
    return this.#assertLeads();
  }

  #assertLeads(): Fence {
    if (!this.#fence) throw new NotLeading('it has not begun to');
    if (this.#tenure && !this.#tenure.isLeading()) throw new NotLeading(this.#tenure.why);
    this.#fence.assertNotDisplaced();
    return this.#fence;
  }

  around(send: (first: KeyCheck | undefined) => Promise<Committed>): Promise<Committed> {
    return this.#around(send, () => this.assertLeading());
  }

  async settled(): Promise<void> {
    await this.assertLeading().settled();
  }

  /** For Consular's own entry, which says as the last thing of all that writes are off. */
  get lastWord(): Fencing {
    const assertMaySay = () => {
      this.#writes.assertLastWord();
      return this.#assertLeads();
    };
    return { around: (send) => this.#around(send, assertMaySay), settled: async () => assertMaySay().settled() };
  }

  /** @throws NotApplied unless this process may write now */
  async #around(
    send: (first: KeyCheck | undefined) => Promise<Committed>,
    assertMayWrite: () => Fence,
  ): Promise<Committed> {
    const fence = () => {
      try {
        return assertMayWrite();
      } catch (cause) {
        throw new NotApplied(cause);
      }
    };
    return fence().around(async (first) => {
      // Waiting for the fence may have taken long.
      fence();
      return send(first);
    });
  }
}

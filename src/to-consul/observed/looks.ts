import { inBackground } from '../../background.ts';
import { backoffMs } from '../../backoff.ts';
import { systemClock, type Clock } from '../../clock.ts';
import type { Log } from '../../observability/log.ts';
import { ClusterIdentityError } from '../identity/cluster-identity.ts';

/** How looks at our nodes keep their distance from each other. */
export interface LookPace {
  /** So long after the first wake of a burst: the burst is one look. */
  readonly firstMs: number;
  /** While wakes go on, whoever causes them, looks are as far apart, so that what they hide is repaired within 10 s. */
  readonly gapMs: number;
  /** A look that takes long is followed by a gap of so many times as long, */
  readonly gapInLooks: number;
  /** but of no more than this. */
  readonly longestGapMs: number;
  /** After wakes of our own doing each node looked at makes the gap so much longer, */
  readonly ownGapMsPerNode: number;
  /** up to this. */
  readonly longestOwnGapMs: number;
}

/**
 * A look is mostly waiting for answers; a seventh of it is our own CPU. So it takes at most 3 % of a core, however large we are. A node
 * costs Consul and us about 0.5 ms each: while nobody but us changes anything, looks take a fiftieth of a core. 8 s are enough for that
 * up to 333 nodes, and 2 minutes at 5 000, the most that Kubernetes has.
 */
export const LOOK_PACE: LookPace = {
  ...{ firstMs: 250, gapMs: 8000 },
  ...{ gapInLooks: 5, longestGapMs: 30_000 },
  ...{ ownGapMsPerNode: 24, longestOwnGapMs: 120_000 },
};

export interface LooksOptions {
  /** One look; false when a part was hidden, so that another look is due. */
  readonly look: () => Promise<boolean>;
  /** How many nodes a look looks at. */
  readonly nodes: () => number;
  /** Told of each look that was completed. */
  readonly onLook: () => void;
  /** Told why a look failed; with undefined that looks succeed again. */
  readonly onFailure: (error: unknown) => void;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** @default LOOK_PACE */
  readonly pace?: LookPace;
  /** @default that of the process */
  readonly clock?: Clock;
}

/**
 * When our nodes in Consul are looked at:
 *
 * | a wake that is                              | the look begins                                     |
 * |---------------------------------------------|-----------------------------------------------------|
 * | of somebody else's doing                    | after 250 ms, and not before the gap is over        |
 * | our own doing: it may hide another's        | after 8 s, and later the more nodes there are       |
 * | either, while a look is planned             | at the earlier time of the two                      |
 * | either, during a look                       | as above, once that look has ended                  |
 *
 * The gap after a look is 8 s, or five times the look, up to 30 s; for wakes of our own doing 24 ms a node, up to 2 minutes. A look
 * that failed is tried again with a backoff; a look of which our own commits hid a part is followed by another as after a wake of our
 * own doing.
 */
export class Looks {
  readonly #options: LooksOptions;
  readonly #pace: LookPace;
  readonly #clock: Clock;
  #planned: { readonly at: number; readonly cancel: () => void } | undefined;
  #isLooking = false;
  /** There is another reason for the next look than our own doing. */
  #isWanted = false;
  /** A wake during the look, and whether any was foreign. */
  #again: { readonly isForeign: boolean } | undefined;
  /** When the last look ended; at first when all was read, which is as good as a look. */
  #endedAt: number;
  #gapMs = 0;
  #failures = 0;

  constructor(options: LooksOptions) {
    this.#options = options;
    this.#pace = options.pace ?? LOOK_PACE;
    this.#clock = options.clock ?? systemClock;
    this.#endedAt = this.#clock.now();
    options.signal.addEventListener('abort', () => this.#planned?.cancel());
  }

  /** Something changed in Consul. */
  soon(isForeign: boolean): void {
    // What changed may be on a node that the running look has passed already.
    if (this.#isLooking) this.#again = { isForeign: isForeign || this.#again?.isForeign === true };
    else if (isForeign) this.#planWanted(Math.max(this.#pace.firstMs, this.#restOf(this.#gapMs)));
    else this.#planOwn(Math.max(this.#pace.gapMs, this.#ownRest()));
  }

  #planWanted(waitMs: number): void {
    this.#isWanted = true;
    this.#plan(waitMs, () => this.#look());
  }

  /** There may be more nodes by then than there are now, as while Consul is filled. */
  #planOwn(waitMs: number): void {
    this.#plan(waitMs, async () => {
      const restMs = this.#ownRest();
      if (restMs > 0 && !this.#isWanted) this.#planOwn(restMs);
      else await this.#look();
    });
  }

  /** Milliseconds until a look may begin that only our own doing gives reason for. */
  #ownRest(): number {
    const { ownGapMsPerNode, longestOwnGapMs } = this.#pace;
    const ownGapMs = Math.min(longestOwnGapMs, ownGapMsPerNode * this.#options.nodes());
    return this.#restOf(Math.max(this.#gapMs, ownGapMs));
  }

  #restOf(gapMs: number): number {
    return this.#endedAt + gapMs - this.#clock.now();
  }

  #plan(waitMs: number, due: () => Promise<void>): void {
    const at = this.#clock.now() + waitMs;
    if (this.#options.signal.aborted || (this.#planned && this.#planned.at <= at)) return;
    this.#planned?.cancel();
    const isDue = () => {
      this.#planned = undefined;
      inBackground(due());
    };
    this.#planned = { at, cancel: this.#clock.after(waitMs, isDue) };
  }

  async #look(): Promise<void> {
    const { look, onLook, onFailure, signal } = this.#options;
    this.#isLooking = true;
    this.#isWanted = false;
    this.#again = undefined;
    const beganAt = this.#clock.now();
    let failure: unknown;
    try {
      if (!(await look())) this.#again ??= { isForeign: false };
      onLook();
    } catch (error) {
      failure = error;
    }
    if (signal.aborted) return;
    this.#isLooking = false;
    const { gapMs, gapInLooks, longestGapMs } = this.#pace;
    const now = this.#clock.now();
    this.#endedAt = now;
    this.#gapMs = Math.min(longestGapMs, Math.max(gapMs, gapInLooks * (now - beganAt)));
    if (failure !== undefined) return this.#retry(failure);
    if (this.#failures > 0) onFailure(undefined);
    this.#failures = 0;
    if (this.#again) this.soon(this.#again.isForeign);
  }

  #retry(error: unknown): void {
    const retryInMs = backoffMs(this.#failures++, { baseMs: 1000, maxMs: this.#pace.longestGapMs });
    const message =
      error instanceof ClusterIdentityError
        ? 'another installation uses this cluster name'
        : 'our Consul nodes could not be read again';
    this.#options.onFailure(error);
    this.#options.log.error(message, { failures: this.#failures, retryInMs: Math.round(retryInMs), error });
    this.#planWanted(retryInMs);
  }
}

import { systemClock, type Clock } from '../clock.ts';

/** After a restored snapshot or a Consul that lost its data, applications need time to register again. */
export const DISTRUST_MS = 10 * 60_000;
/** Signs of one and the same loss come within so long. */
const SAME_LOSS_MS = 60_000;

/**
 * How it was noticed that time went back in Consul:
 *
 * | sign                  | what was seen                                                                                |
 * |-----------------------|----------------------------------------------------------------------------------------------|
 * | `early-answer`        | a question was answered long before its wait was over, with nothing new: Consul gave up the state that it had, as after the restore of a snapshot |
 * | `lower-names-index`   | the index of the list of all services is lower than that list has said before                |
 * | `older-entry`         | an entry of ours has a lower ModifyIndex than it had when we wrote or read it                 |
 * | `own-entry-lost`      | Consular's own entry is missing or another, and had to be written anew                       |
 * | `fence-lost`          | the key that fences our writes is missing, or has a lower epoch than we gave it               |
 * | `other-servers`       | none of Consul's servers that we know is there, where these are the witness                  |
 * | `told-by-own-entry`   | an earlier run has noticed it, and wrote it on Consular's own entry                          |
 */
export const SIGNS = [
  'early-answer',
  'lower-names-index',
  'older-entry',
  'own-entry-lost',
  'fence-lost',
  'other-servers',
  'told-by-own-entry',
] as const;
export type Sign = (typeof SIGNS)[number];

/** Consul lost data, or was put back to an older state. */
export interface Loss {
  readonly sign: Sign;
  /** When it was noticed, by the clock of the machine that noticed it. */
  readonly at: Date;
  /** Until then an instance that is missing from Consul may only not be back yet. */
  readonly until: Date;
}

/**
 * The knowledge that time went back in Consul. For ten minutes from the first sign of a loss on, nothing that is missing from
 * Consul is believed to be gone. A sign within a minute of the first is of the same loss; a later one is of another.
 */
export class Distrust {
  readonly #clock: Pick<Clock, 'now' | 'date'>;
  readonly #lastsMs: number;
  readonly #listeners = new Set<(loss: Loss) => void>();
  #loss: Loss | undefined;
  #until = -Infinity;

  /** @param lastsMs how long nothing is believed to be gone */
  constructor(clock: Pick<Clock, 'now' | 'date'> = systemClock, lastsMs = DISTRUST_MS) {
    this.#clock = clock;
    this.#lastsMs = lastsMs;
  }

  /** @param at by the clock of some machine, which may be wrong: the distrust lasts ten minutes at the longest */
  begin(sign: Sign, at = this.#clock.date()): void {
    if (isOf(this.loss, at) || this.#isLateSign(at)) return;
    const now = this.#clock.date().getTime();
    const remaining = Math.min(this.#lastsMs, at.getTime() + this.#lastsMs - now);
    if (remaining <= 0) return;
    this.#until = this.#clock.now() + remaining;
    this.#loss = { sign, at, until: new Date(now + remaining) };
    for (const listener of this.#listeners) listener(this.#loss);
  }

  /** Of the last loss, where distrust is over already. A clock that was wrong may have dated that loss in the future. */
  #isLateSign(at: Date): boolean {
    return this.#loss !== undefined && Math.abs(at.getTime() - this.#loss.at.getTime()) < SAME_LOSS_MS;
  }

  /** When a loss that is noticed now was noticed first: another sign of it may have been seen just before. */
  momentOfLoss(): Date {
    const now = this.#clock.date();
    const { loss } = this;
    return loss && isOf(loss, now) ? loss.at : now;
  }

  /** What happened; undefined when nothing did, or too long ago to count. */
  get loss(): Loss | undefined {
    return this.#clock.now() < this.#until ? this.#loss : undefined;
  }

  /** Milliseconds until nothing counts any more that happened, whatever becomes of the time of day; 0 when nothing does. */
  get remainingMs(): number {
    return Math.max(0, this.#until - this.#clock.now());
  }

  /** Told of each loss when it is noticed. */
  subscribe(listener: (loss: Loss) => void): void {
    this.#listeners.add(listener);
  }
}

/** Whether a sign at that time is one of that loss. */
function isOf(loss: Loss | undefined, at: Date): boolean {
  return loss !== undefined && at.getTime() - loss.at.getTime() < SAME_LOSS_MS;
}

/** In words, for whoever wonders why something stays. */
export function explainLoss({ sign, at, until }: Loss): string {
  return (
    `Consul lost data or was put back to an older state at ${at.toISOString()} (${sign}): ` +
    `until ${until.toISOString()} nothing that is missing from it is believed to be gone`
  );
}

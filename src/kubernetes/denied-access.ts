import { inBackground } from '../background.ts';
import type { Clock } from '../clock.ts';
import { describeAccess, type Access, type MayAccess } from './access.ts';

/** A review for each right that is denied, while there is one. */
const LOOK_MS = 5000;
/** As many reviews in a row; with more rights it is each right's turn later. */
const MOST_REVIEWS = 20;
/** Where the API server does not tell of a right, it is used again after 30 s, 1, 2, 4, 8, 10, 10 ... min. */
const RIGHTS_RETRY = { firstMs: 30_000, longestMs: 10 * 60_000 };
/** Whoever needs a right tries it at once when it ends; what is not denied again by then nobody needs. */
const FORGOTTEN_AFTER_MS = 60_000;

export interface DeniedAccessOptions {
  /** Whether we have that right now. */
  readonly may: MayAccess;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Denied {
  readonly access: Access;
  /** How often it was denied in a row. */
  readonly times: number;
  readonly retryAt: number;
  /** Whether an access review said no: from then on a yes is news. */
  isConfirmed: boolean;
  /** Since when it may be used again, to find out. */
  endedAt: number | undefined;
}

/**
 * Rights for want of which the API server refused writes. A right is denied until it may be there:
 *
 * | an access review every 5 s                    | the right                                   |
 * |-----------------------------------------------|---------------------------------------------|
 * | said no, and says yes now                     | is there: what waits for it is tried at once |
 * | says no, or nothing, or said yes all along    | is tried after 30 s, 1 min, ... at most 10 min |
 */
export class DeniedAccess {
  readonly #options: DeniedAccessOptions;
  readonly #rights = new Map<string, Denied>();
  readonly #listeners = new Set<(access: Access) => void>();
  #isLooking = false;
  #cancelLook: (() => void) | undefined;

  constructor(options: DeniedAccessOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#cancelLook?.(), { once: true });
  }

  isDenied(access: Access): boolean {
    const known = this.#rights.get(describeAccess(access));
    return known !== undefined && known.endedAt === undefined;
  }

  /** Told when a right may be there. */
  subscribe(listener: (access: Access) => void): void {
    this.#listeners.add(listener);
  }

  /** The API server refused a write for want of it. */
  deny(access: Access): void {
    if (this.isDenied(access)) return;
    const id = describeAccess(access);
    const times = (this.#rights.get(id)?.times ?? 0) + 1;
    const waitMs = Math.min(RIGHTS_RETRY.longestMs, RIGHTS_RETRY.firstMs * 2 ** (times - 1));
    const retryAt = this.#options.clock.now() + waitMs;
    this.#rights.set(id, { access, times, retryAt, isConfirmed: false, endedAt: undefined });
    this.#lookAfter(0);
  }

  #lookAfter(ms: number): void {
    if (this.#isLooking || this.#options.signal.aborted) return;
    this.#cancelLook?.();
    this.#cancelLook = this.#options.clock.after(ms, () => {
      this.#cancelLook = undefined;
      inBackground(this.#look());
    });
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    // Those that come first were asked about longest ago.
    const some = [...this.#rights.values()].filter(({ endedAt }) => endedAt === undefined).slice(0, MOST_REVIEWS);
    for (const one of some) this.#judge(one, await this.#options.may(one.access).catch(() => undefined));
    this.#isLooking = false;
    this.#endThoseDue();
    if (this.#rights.size > 0) this.#lookAfter(LOOK_MS);
  }

  #judge(one: Denied, isAllowed: boolean | undefined): void {
    const id = describeAccess(one.access);
    this.#rights.delete(id);
    if (isAllowed === true && one.isConfirmed) return this.#tell(one.access);
    this.#rights.set(id, one);
    if (isAllowed === false) one.isConfirmed = true;
  }

  #endThoseDue(): void {
    const now = this.#options.clock.now();
    for (const [id, one] of [...this.#rights]) {
      if (one.endedAt !== undefined && now - one.endedAt >= FORGOTTEN_AFTER_MS) this.#rights.delete(id);
      if (one.endedAt !== undefined || now < one.retryAt) continue;
      one.endedAt = now;
      this.#tell(one.access);
    }
  }

  #tell(access: Access): void {
    for (const listener of this.#listeners) listener(access);
  }
}

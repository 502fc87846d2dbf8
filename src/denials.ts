import { inBackground } from './background.ts';
import type { Clock } from './clock.ts';

/** Where nobody tells of a right, it is used again after 30 s, 1, 2, 4, 8, 10, 10 ... min. */
const RETRY = { firstMs: 30_000, longestMs: 10 * 60_000 };
/** Whoever needs a right tries it at once when it ends; what is not denied again by then nobody needs. */
const FORGOTTEN_AFTER_MS = 60_000;

export interface DenialsOptions<R> {
  readonly idOf: (right: R) => string;
  /** Whether we have each of these rights now; undefined where that is not told. */
  readonly ask: (rights: readonly R[]) => Promise<readonly (boolean | undefined)[]>;
  /** As many are asked about at a time; with more rights it is each right's turn later. */
  readonly most: number;
  /** From one question to the next, while there is something denied; and where the last one had news. */
  readonly lookMs: number;
  readonly lookAfterNewsMs: number;
  /** Told of a right that was found to be there, before those who wait for it. */
  readonly onThere?: (right: R) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Denied<R> {
  readonly right: R;
  readonly since: Date;
  /** How often it was denied in a row. */
  readonly times: number;
  readonly retryAt: number;
  /** Whether somebody who was asked about it said no: from then on a yes is news. */
  isConfirmed: boolean;
  /** Since when it may be used again, to find out. */
  endedAt: number | undefined;
}

/**
 * Rights for want of which a server refused writes, whichever server and however it is asked. A right is denied until it may be
 * there:
 *
 * | the server, asked again and again             | the right                                      |
 * |-----------------------------------------------|------------------------------------------------|
 * | said no, and says yes now                     | is there: what waits for it is tried at once   |
 * | says no, or nothing, or said yes all along    | is tried after 30 s, 1 min, ... at most 10 min |
 */
export class Denials<R> {
  readonly #options: DenialsOptions<R>;
  readonly #rights = new Map<string, Denied<R>>();
  readonly #listeners = new Set<(right: R) => void>();
  #isLooking = false;
  #cancelLook: (() => void) | undefined;

  constructor(options: DenialsOptions<R>) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#cancelLook?.(), { once: true });
  }

  isDenied(right: R): boolean {
    const known = this.#rights.get(this.#options.idOf(right));
    return known !== undefined && known.endedAt === undefined;
  }

  get isEmpty(): boolean {
    return this.#rights.size === 0;
  }

  /** Those that are denied. */
  get all(): readonly Pick<Denied<R>, 'right' | 'since'>[] {
    return [...this.#rights.values()].filter(({ endedAt }) => endedAt === undefined);
  }

  /** Told when a right may be there. */
  subscribe(listener: (right: R) => void): void {
    this.#listeners.add(listener);
  }

  /** @returns whether that is new: denied for the first time, denied once more, or denied already */
  deny(right: R): 'first' | 'again' | 'already' {
    if (this.isDenied(right)) return 'already';
    const { clock, idOf } = this.#options;
    const known = this.#rights.get(idOf(right));
    const times = (known?.times ?? 0) + 1;
    const retryAt = clock.now() + Math.min(RETRY.longestMs, RETRY.firstMs * 2 ** (times - 1));
    const since = known?.since ?? clock.date();
    this.#rights.set(idOf(right), { right, since, times, retryAt, isConfirmed: false, endedAt: undefined });
    this.#lookAfter(0);
    return known ? 'again' : 'first';
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
    const { ask, most, lookMs, lookAfterNewsMs } = this.#options;
    this.#isLooking = true;
    // Those that come first were asked about longest ago.
    const some = [...this.#rights.values()].filter(({ endedAt }) => endedAt === undefined).slice(0, most);
    const allowed = await ask(some.map(({ right }) => right)).catch(() => []);
    const isNews = some.map((one, i) => this.#judge(one, allowed[i])).includes(true);
    this.#isLooking = false;
    this.#endThoseDue();
    if (this.#rights.size > 0) this.#lookAfter(isNews ? lookAfterNewsMs : lookMs);
  }

  /** @returns whether it is there now, and was not */
  #judge(one: Denied<R>, isAllowed: boolean | undefined): boolean {
    const { idOf, onThere } = this.#options;
    const id = idOf(one.right);
    if (this.#rights.get(id) !== one) return false;
    this.#rights.delete(id);
    if (isAllowed === true && one.isConfirmed) {
      onThere?.(one.right);
      this.#tell(one.right);
      return true;
    }
    this.#rights.set(id, one);
    if (isAllowed === false) one.isConfirmed = true;
    return false;
  }

  #endThoseDue(): void {
    const now = this.#options.clock.now();
    for (const [id, one] of [...this.#rights]) {
      if (one.endedAt !== undefined && now - one.endedAt >= FORGOTTEN_AFTER_MS) this.#rights.delete(id);
      if (one.endedAt !== undefined || now < one.retryAt) continue;
      one.endedAt = now;
      this.#tell(one.right);
    }
  }

  #tell(right: R): void {
    for (const listener of this.#listeners) listener(right);
  }
}

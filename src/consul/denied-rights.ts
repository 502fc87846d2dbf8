import { inBackground } from '../background.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../observability/log.ts';
import { rightId, ruleFor, type ConsulRight } from './rights.ts';
import { MOST_QUESTIONS } from './own-token.ts';

/** One question, while there is something denied. */
const LOOK_MS = 2000;
/** Where Consul does not tell what the token may do, a denied right is used again after 30 s, 1, 2, 4, 8, 10, 10 ... min. */
const RETRY = { firstMs: 30_000, longestMs: 10 * 60_000 };
/** Whoever needs a right tries it at once when it ends; what is not denied again by then nobody needs. */
const FORGOTTEN_AFTER_MS = 60_000;

export interface DeniedRightsOptions {
  /** Whether the token has each of these rights now. */
  readonly ask: (rights: readonly ConsulRight[]) => Promise<readonly boolean[]>;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface DeniedRight extends ConsulRight {
  readonly since: Date;
}

interface Denied {
  readonly right: ConsulRight;
  readonly since: Date;
  /** How often it was denied in a row. */
  readonly times: number;
  retryAt: number;
  /** Whether Consul, asked about it, said no: from then on a yes is news. */
  isConfirmed: boolean;
  /** Since when it may be used again, to find out. */
  endedAt: number | undefined;
}

/**
 * Rights that Consul refused writes for. Nothing is sent for which one of them is needed, until it may be there:
 *
 * | Consul, asked every 2 s what the token may write  | the right                                         |
 * |---------------------------------------------------|---------------------------------------------------|
 * | said no, and says yes now                         | is there: what waits for it is written at once    |
 * | says no, or does not tell, or said yes all along  | is tried after 30 s, 1 min, ... at most 10 min    |
 *
 * (An agent that is no server may say yes for 30 s while the servers say no.) Each is logged when it is denied first and when
 * it is there.
 */
export class DeniedRights {
  readonly #options: DeniedRightsOptions;
  readonly #rights = new Map<string, Denied>();
  readonly #listeners = new Set<(right: ConsulRight) => void>();
  #isLooking = false;
  #cancelLook: (() => void) | undefined;

  constructor(options: DeniedRightsOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.#cancelLook?.(), { once: true });
  }

  isDenied(right: ConsulRight): boolean {
    const known = this.#rights.get(rightId(right));
    return known !== undefined && known.endedAt === undefined;
  }

  get isEmpty(): boolean {
    return this.#rights.size === 0;
  }

  /** Those that are denied, with since when. */
  get all(): readonly DeniedRight[] {
    return [...this.#rights.values()]
      .filter(({ endedAt }) => endedAt === undefined)
      .map(({ right, since }) => ({ ...right, since }));
  }

  /** Told when a right may be there. */
  subscribe(listener: (right: ConsulRight) => void): void {
    this.#listeners.add(listener);
  }

  /** @param what Consul's words */
  deny(right: ConsulRight, what: string): void {
    if (this.isDenied(right)) return;
    const { clock, log } = this.#options;
    const known = this.#rights.get(rightId(right));
    const times = (known?.times ?? 0) + 1;
    const retryAt = clock.now() + Math.min(RETRY.longestMs, RETRY.firstMs * 2 ** (times - 1));
    const since = known?.since ?? clock.date();
    this.#rights.set(rightId(right), { right, since, times, retryAt, isConfirmed: false, endedAt: undefined });
    const fields = { right: rightId(right), why: `add to the policy of the token: ${ruleFor(right)}`, answer: what };
    if (known) log.debug('Consul still refuses what the token has no right to', fields);
    else log.warn('Consul refuses what the token has no right to', fields);
    this.#cancelLook?.();
    this.#lookAfter(0);
  }

  #lookAfter(ms: number): void {
    if (this.#isLooking || this.#options.signal.aborted) return;
    this.#cancelLook = this.#options.clock.after(ms, () => {
      this.#cancelLook = undefined;
      inBackground(this.#look());
    });
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    // Those that come first were asked about longest ago.
    const some = [...this.#rights.values()].filter(({ endedAt }) => endedAt === undefined).slice(0, MOST_QUESTIONS);
    const allowed = await this.#options.ask(some.map(({ right }) => right)).catch(() => []);
    let isChanged = false;
    some.forEach((one, i) => {
      if (this.#rights.get(rightId(one.right)) !== one) return;
      this.#rights.delete(rightId(one.right));
      this.#rights.set(rightId(one.right), one);
      if (allowed[i] === false) one.isConfirmed = true;
      else if (allowed[i] === true && one.isConfirmed) isChanged = this.#isThere(one);
    });
    this.#isLooking = false;
    this.#endThoseDue();
    // A policy that was mended may have mended more.
    if (this.#rights.size > 0) this.#lookAfter(isChanged ? 0 : LOOK_MS);
  }

  #isThere({ right }: Denied): true {
    this.#rights.delete(rightId(right));
    this.#options.log.info('the token has a right that it lacked', { right: rightId(right) });
    this.#tell(right);
    return true;
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

  #tell(right: ConsulRight): void {
    for (const listener of this.#listeners) listener(right);
  }
}

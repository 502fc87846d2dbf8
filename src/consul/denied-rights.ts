import type { Clock } from '../clock.ts';
import { Denials } from '../denials.ts';
import type { Log } from '../observability/log.ts';
import { rightId, ruleFor, type ConsulRight } from './rights.ts';
import { MOST_QUESTIONS } from './own-token.ts';

/** One question, while there is something denied; after news another at once: a policy that was mended may have mended more. */
const LOOKS = { most: MOST_QUESTIONS, lookMs: 2000, lookAfterNewsMs: 0 };

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

/**
 * Rights that Consul refused writes for; see Denials. Nothing is sent for which one of them is needed, until it may be there. (An
 * agent that is no server may say yes for 30 s while the servers say no.) Each is logged when it is denied first and when it is
 * there.
 */
export class DeniedRights {
  readonly #log: Log;
  readonly #denials: Denials<ConsulRight>;

  constructor({ log, ...options }: DeniedRightsOptions) {
    this.#log = log;
    const onThere = (right: ConsulRight) => log.info('the token has a right that it lacked', { right: rightId(right) });
    this.#denials = new Denials({ ...options, ...LOOKS, idOf: rightId, onThere });
  }

  isDenied(right: ConsulRight): boolean {
    return this.#denials.isDenied(right);
  }

  get isEmpty(): boolean {
    return this.#denials.isEmpty;
  }

  /** Those that are denied, with since when. */
  get all(): readonly DeniedRight[] {
    return this.#denials.all.map(({ right, since }) => ({ ...right, since }));
  }

  /** Told when a right may be there. */
  subscribe(listener: (right: ConsulRight) => void): void {
    this.#denials.subscribe(listener);
  }

  /** @param what Consul's words */
  deny(right: ConsulRight, what: string): void {
    const outcome = this.#denials.deny(right);
    const fields = { right: rightId(right), why: `add to the policy of the token: ${ruleFor(right)}`, answer: what };
    if (outcome === 'again') this.#log.debug('Consul still refuses what the token has no right to', fields);
    if (outcome === 'first') this.#log.warn('Consul refuses what the token has no right to', fields);
  }
}

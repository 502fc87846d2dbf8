import { inBackground } from '../background.ts';
import type { Lifetime } from '../observability/state-gauges.ts';
import type { ConsulClient } from './client.ts';
import { readOwnToken, type OwnToken } from './own-token.ts';

/**
 * When the token ends that requests are sent with, and when it was made. Consul is asked once for each token, and only where
 * somebody wants to know; where it does not answer, again when somebody does.
 */
export class TokenEnd {
  readonly #client: Pick<ConsulClient, 'get' | 'tokenTerm'>;
  #asked: number | undefined;
  #known: Lifetime | undefined;

  constructor(client: Pick<ConsulClient, 'get' | 'tokenTerm'>) {
    this.#client = client;
  }

  /** As far as Consul has told until now: the first answer is undefined. So is that of a token that has no end. */
  look(): Lifetime | undefined {
    const { tokenTerm } = this.#client;
    if (this.#asked !== tokenTerm) inBackground(this.#ask(tokenTerm));
    return this.#known;
  }

  async #ask(term: number): Promise<void> {
    this.#asked = term;
    try {
      const token = await readOwnToken(this.#client);
      if (this.#asked !== term) return;
      // A token that Consul does not know, as one that has ended, is no news: the end of the last one that it knew stays. A new one
      // may not have come to each server yet, so it is asked for again.
      if (token === 'unknown') {
        this.#asked = undefined;
        return;
      }
      this.#known = token === 'disabled' ? undefined : lifetimeOf(token);
    } catch {
      // Everything else that is asked of Consul tells why.
      if (this.#asked === term) this.#asked = undefined;
    }
  }
}

function lifetimeOf({ createTime, expirationTime }: OwnToken): Lifetime | undefined {
  const end = timeOf(expirationTime);
  return end && { created: timeOf(createTime), end };
}

function timeOf(text: string): Date | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : new Date(ms);
}

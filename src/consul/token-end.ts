import { inBackground } from '../background.ts';
import type { ConsulClient } from './client.ts';
import { readOwnToken } from './own-token.ts';

/**
 * When the token ends that requests are sent with. Consul is asked once for each token, and only where somebody wants to know;
 * where it does not answer, again when somebody does.
 */
export class TokenEnd {
  readonly #client: Pick<ConsulClient, 'get' | 'tokenTerm'>;
  #asked: number | undefined;
  #known: Date | undefined;

  constructor(client: Pick<ConsulClient, 'get' | 'tokenTerm'>) {
    this.#client = client;
  }

  /** As far as Consul has told until now: the first answer is undefined. So is that of a token that has no end. */
  look(): Date | undefined {
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
      const end = Date.parse(token === 'disabled' ? '' : token.expirationTime);
      this.#known = Number.isNaN(end) ? undefined : new Date(end);
    } catch {
      // Everything else that is asked of Consul tells why.
      if (this.#asked === term) this.#asked = undefined;
    }
  }
}

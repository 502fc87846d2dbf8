import { setImmediate as breathe } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { Listing } from './listing.ts';

/** What is asked for of a list. */
export interface PageRequest {
  /** Words that all have to be in what is looked at, in any case; none: everything. */
  readonly query: string;
  readonly offset: number;
  readonly limit: number;
}

export interface Page<Row> {
  /** How many rows there are. */
  readonly total: number;
  /** How many of them the query finds. */
  readonly matching: number;
  readonly offset: number;
  readonly limit: number;
  readonly items: readonly Row[];
}

export const MOST_ROWS = 200;
const DEFAULT_ROWS = 50;
const LONGEST_QUERY = 200;

/** After so many keys of a search everything else has a turn. */
const KEYS_AT_A_TIME = 1000;
/** Sorted keys are believed for so long, and for this many times what it took to get them. */
const SORTED = { restMs: 1000, restInCosts: 20 };

/** @throws RangeError that names the parameter, what was expected and what was found */
export function readPageRequest(parameters: URLSearchParams): PageRequest {
  const query = parameters.get('query') ?? '';
  if (query.length > LONGEST_QUERY)
    throw new RangeError(`query: expected at most ${LONGEST_QUERY} characters, found ${query.length}`);
  return {
    query,
    offset: readNumber(parameters, 'offset', [0, Number.MAX_SAFE_INTEGER], 0),
    limit: readNumber(parameters, 'limit', [1, MOST_ROWS], DEFAULT_ROWS),
  };
}

function readNumber(
  parameters: URLSearchParams,
  name: string,
  [least, most]: readonly [number, number],
  otherwise: number,
): number {
  const text = parameters.get(name);
  if (text === null) return otherwise;
  const number = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new RangeError(
    `${name}: expected a whole number from ${least} to ${most}, found ${JSON.stringify(text.slice(0, 40))}`,
  );
}

/**
 * A list that is shown a page at a time, sorted by its keys. A page costs what is on it; a search looks at all there is, one
 * search at a time, and lets everything else go on meanwhile.
 */
export class PagedList<Row> {
  readonly #listing: Listing<Row>;
  readonly #clock: Pick<Clock, 'now'>;
  #sorted: { readonly keys: readonly string[]; readonly untilMs: number } | undefined;
  /** Resolves when the searches before are done. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(listing: Listing<Row>, clock: Pick<Clock, 'now'>) {
    this.#listing = listing;
    this.#clock = clock;
  }

  async page({ query, offset, limit }: PageRequest): Promise<Page<Row>> {
    const words = query
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    const keys = this.#keys();
    const found = words.length === 0 ? keys : await this.#search(keys, words);
    const items = found.slice(offset, offset + limit).flatMap((key) => this.#listing.row(key) ?? []);
    return { total: keys.length, matching: found.length, offset, limit, items };
  }

  #keys(): readonly string[] {
    const began = this.#clock.now();
    if (this.#sorted && began < this.#sorted.untilMs) return this.#sorted.keys;
    const keys = [...new Set(this.#listing.keys())].sort();
    const ended = this.#clock.now();
    const untilMs = ended + Math.max(SORTED.restMs, SORTED.restInCosts * (ended - began));
    this.#sorted = { keys, untilMs };
    return keys;
  }

  #search(keys: readonly string[], words: readonly string[]): Promise<readonly string[]> {
    const search = this.#line.then(async () => {
      const found: string[] = [];
      for (const [i, key] of keys.entries()) {
        if (i % KEYS_AT_A_TIME === KEYS_AT_A_TIME - 1) await breathe();
        const text = this.#listing.text(key).toLowerCase();
        if (words.every((word) => text.includes(word))) found.push(key);
      }
      return found;
    });
    this.#line = search.catch(() => undefined);
    return search;
  }
}

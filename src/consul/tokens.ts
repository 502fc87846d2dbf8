import { readFile } from 'node:fs/promises';
import type { ConsulConfig } from '../config/schema.ts';
import type { ConsulError } from './errors.ts';

/** A rotated token file is noticed this quickly, and at once after a 403. */
const TOKEN_AGE_MS = 5000;

/** The token of one request, as long as that is on its way. */
export interface TokenUse {
  /** Empty for none. */
  readonly value: string;
  /** Another number for each other token, never a lower one than before. */
  readonly term: number;
  /** Aborts when this token is about to end and a newer one is there: whatever waits has to ask again with that. */
  readonly superseded: AbortSignal | undefined;
  /** The request was answered, or given up. */
  release(): void;
}

/** Where the token comes from that requests to Consul are sent with. */
export interface TokenSource {
  /** Of the newest token. */
  readonly term: number;
  /** Why there is no token; undefined when there is one, and where none is needed. */
  readonly failure: string | undefined;
  /** @throws Error when there should be a token and is none: going on without it would read as an empty catalog. */
  use(signal?: AbortSignal): Promise<TokenUse>;
  /** Consul answered 403. Resolves with true when there is another token by now, with which the same can be asked again. */
  refused(use: TokenUse, error: ConsulError): Promise<boolean>;
  /** The token is not needed any more. */
  close(): Promise<void>;
}

export function fixedToken(value: string): TokenSource {
  return {
    ...{ term: 0, failure: undefined },
    use: () => Promise.resolve({ value, term: 0, superseded: undefined, release: () => undefined }),
    refused: () => Promise.resolve(false),
    close: () => Promise.resolve(),
  };
}

/** A token in a file, which others may replace. */
export class TokenFile implements TokenSource {
  readonly #path: string;
  readonly failure = undefined;
  #cached: { readonly value: string; readonly at: number } | undefined;
  #value: string | undefined;
  #term = 0;

  constructor({ tokenFile }: Pick<ConsulConfig, 'tokenFile'>) {
    this.#path = tokenFile;
  }

  get term(): number {
    return this.#term;
  }

  /** @throws Error when the file cannot be read, or is empty */
  async use(): Promise<TokenUse> {
    const value = await this.#read();
    return { value, term: this.#term, superseded: undefined, release: () => undefined };
  }

  async refused({ term }: TokenUse): Promise<boolean> {
    this.#cached = undefined;
    // Whoever asks next hears why the file cannot be read.
    await this.#read().catch(() => undefined);
    return this.#term !== term;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #read(): Promise<string> {
    if (this.#cached && performance.now() - this.#cached.at < TOKEN_AGE_MS) return this.#cached.value;
    const value = (await readFile(this.#path, 'utf8')).trim();
    if (value === '') throw new Error(`read token file ${this.#path}: expected a token, found an empty file`);
    if (value !== this.#value) this.#term++;
    this.#value = value;
    this.#cached = { value, at: performance.now() };
    return value;
  }
}

import { inBackground } from '../background.ts';
import { readFile } from 'node:fs/promises';
import { backoffMs, inTime, sleep } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import type { ConsulConfig } from '../config/schema.ts';
import { expectObject, stringField } from '../json.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { ConsulError } from './errors.ts';
import type { TokenSource, TokenUse } from './tokens.ts';

const RETRY = { baseMs: 1000, maxMs: 30_000 };
/** A token that ended sooner than this was taken away again: logging in at once would go on and on. */
const SHORT_LIFE_MS = 60_000;
/** The server that answers us may hear of a new token a little later than the leader that made it. */
const KNOWN = { withinMs: 5000, lookMs: 100 };
/** At the end, each: what is on its way, and logging out. */
const FAREWELL_MS = 2000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What login asks of Consul. Each throws ConsulError. */
export interface LoginApi {
  /** @returns the token as Consul describes it */
  login(request: { AuthMethod: string; BearerToken: string; Meta: Readonly<Record<string, string>> }): Promise<unknown>;
  isKnown(token: string): Promise<boolean>;
  logout(token: string): Promise<void>;
}

export interface LoginOptions {
  readonly login: ConsulConfig['login'];
  readonly api: LoginApi;
  readonly log: Log;
  /** @default that of the process */
  readonly clock?: Clock;
  /** @default Math.random */
  readonly random?: () => number;
}

/** A token of our own making, until Consul or we end it. */
interface Session {
  readonly token: string;
  readonly term: number;
  readonly since: number;
  /** By our clock; Infinity where the auth method sets no limit. */
  readonly endsAt: number;
  readonly superseded: AbortController;
  /** Requests that are on their way with it. */
  uses: number;
  ended: Promise<void> | undefined;
}

/**
 * A token that Consul makes for a Kubernetes token, by an auth method of its (`POST /v1/acl/login`).
 *
 * | the token                                   | what is done                                                          |
 * |---------------------------------------------|-----------------------------------------------------------------------|
 * | has lived about two thirds of its life      | another is made, and this one ended when nothing is on its way with it  |
 * | could not be made anew by its end           | nothing is sent to Consul; tried again after 1 to 30 s                  |
 * | is not known to Consul any more             | another is made at once; after 1 to 30 s if it was younger than a minute |
 * | is not needed any more                      | is ended, within a few seconds                                         |
 *
 * The file with the Kubernetes token is read each time. How long a token lives is the difference of two times of Consul's, so
 * that our time of day does not matter. Source: Consul's API documentation, "ACL: login to auth method"; 1.22.0.
 */
export class Login implements TokenSource {
  readonly #options: LoginOptions & { readonly clock: Clock };
  readonly #closing = new AbortController();
  readonly #open = new Set<Session>();
  #current: Session | undefined;
  #loggingIn: Promise<Session> | undefined;
  #term = 0;
  #failures = 0;
  #notBefore = -Infinity;
  #error: unknown;
  #cancelTimer: () => void = () => undefined;

  constructor(options: LoginOptions) {
    this.#options = { clock: systemClock, ...options };
  }

  get term(): number {
    return this.#term;
  }

  get failure(): string | undefined {
    if (this.#valid()) return undefined;
    return this.#error === undefined ? 'not logged in yet' : explainError(this.#error);
  }

  async use(signal?: AbortSignal): Promise<TokenUse> {
    const session = this.#valid() ?? (await abortable(this.#logIn(), signal));
    session.uses++;
    let isReleased = false;
    return {
      ...{ value: session.token, term: session.term, superseded: session.superseded.signal },
      release: () => {
        if (isReleased) return;
        isReleased = true;
        session.uses--;
        if (session !== this.#current) inBackground(this.#endUnused(session));
      },
    };
  }

  async refused({ term }: TokenUse, { detail }: ConsulError): Promise<boolean> {
    const current = this.#valid();
    if (current && current.term !== term) return true;
    // Else the token lacks a right, which another of the same auth method lacks too.
    if (!detail.includes('ACL not found')) return false;
    if (current) {
      this.#options.log.warn('Consul does not know our token any more, logging in anew', {});
      const isShort = this.#options.clock.now() - current.since < SHORT_LIFE_MS;
      if (isShort) this.#failed(new Error(`${this.#what}: the token was ended soon after it was made`));
      // There is nothing to log out of.
      current.ended = Promise.resolve();
      this.#open.delete(current);
      this.#supersede(undefined);
    }
    return this.#logIn().then(
      () => true,
      () => false,
    );
  }

  async close(): Promise<void> {
    const { clock } = this.#options;
    this.#closing.abort();
    this.#cancelTimer();
    const never = new AbortController().signal;
    if (this.#loggingIn)
      await inTime(
        this.#loggingIn.catch(() => undefined),
        FAREWELL_MS,
        never,
        clock,
      );
    this.#supersede(undefined);
    const unused = async () => {
      while ([...this.#open].some(({ uses }) => uses > 0)) await sleep(20, never, clock);
    };
    await inTime(unused(), FAREWELL_MS, never, clock);
    await inTime(Promise.all([...this.#open].map((session) => this.#end(session))), FAREWELL_MS, never, clock);
  }

  #valid(): Session | undefined {
    const session = this.#current;
    if (!session || this.#options.clock.now() < session.endsAt) return session;
    this.#supersede(undefined);
    return undefined;
  }

  /** Logs in, with all others who want to; not before the wait after a failure is over. */
  #logIn(): Promise<Session> {
    this.#loggingIn ??= this.#tryToLogIn().finally(() => (this.#loggingIn = undefined));
    this.#loggingIn.catch(() => undefined);
    return this.#loggingIn;
  }

  async #tryToLogIn(): Promise<Session> {
    const { clock, log, login } = this.#options;
    if (this.#closing.signal.aborted) throw new Error(`${this.#what}: logged out, for the end has come`);
    if (clock.now() < this.#notBefore) throw this.#error;
    try {
      const session = await this.#begin();
      if (this.#closing.signal.aborted) this.#open.add(session);
      else this.#supersede(session);
      this.#error = undefined;
      this.#failures = 0;
      return session;
    } catch (cause) {
      const retryInMs = this.#failed(new Error(this.#what, { cause }));
      const { authMethod } = login;
      log.warn('cannot log in to Consul, will try again', {
        authMethod,
        retryInMs: Math.round(retryInMs),
        error: cause,
      });
      throw this.#error;
    }
  }

  /** @throws Error when no token could be had, ConsulError among them */
  async #begin(): Promise<Session> {
    const { api, clock, log, login, random = Math.random } = this.#options;
    const { authMethod, bearerTokenFile, meta } = login;
    const bearer = (await readBearer(bearerTokenFile)).trim();
    if (bearer === '')
      throw new Error(`read bearer token file ${bearerTokenFile}: expected a token, found an empty file`);
    const since = clock.now();
    const answer = expectObject(
      await api.login({ AuthMethod: authMethod, BearerToken: bearer, Meta: meta }),
      this.#what,
    );
    const token = stringField(answer, 'SecretID');
    if (token === '') throw new Error(`${this.#what}: expected a token, found an answer without SecretID`);
    const lifeMs = lifeOf(stringField(answer, 'CreateTime'), stringField(answer, 'ExpirationTime'));
    const session: Session = {
      ...{ token, since, term: this.#term + 1, endsAt: since + lifeMs },
      ...{ superseded: new AbortController(), uses: 0, ended: undefined },
    };
    await this.#untilKnown(session);
    const lives = lifeMs === Infinity ? 'without limit' : `${Math.round(lifeMs / 1000)} s`;
    log.info('logged in to Consul', { authMethod, accessor: stringField(answer, 'AccessorID'), lives });
    this.#cancelTimer();
    if (lifeMs < Infinity) this.#logInAfter(lifeMs * (0.6 + 0.1 * random()));
    return session;
  }

  async #untilKnown(session: Session): Promise<void> {
    const { api, clock } = this.#options;
    const { signal } = this.#closing;
    try {
      while (!(await api.isKnown(session.token))) {
        signal.throwIfAborted();
        if (clock.now() - session.since > KNOWN.withinMs)
          throw new Error(`${this.#what}: expected the new token to be known, found that it is not after 5 s`);
        await sleep(KNOWN.lookMs, signal, clock);
      }
    } catch (error) {
      inBackground(this.#end(session));
      throw error;
    }
  }

  /** @returns milliseconds until the next attempt, which is made by itself */
  #failed(error: Error): number {
    const { clock, random = Math.random } = this.#options;
    this.#error = error;
    // Never none at all: each attempt that goes well leaves a token in Consul.
    const waitMs = RETRY.baseMs + backoffMs(this.#failures++, { ...RETRY, random });
    this.#notBefore = clock.now() + waitMs;
    this.#logInAfter(waitMs);
    return waitMs;
  }

  #logInAfter(ms: number): void {
    this.#cancelTimer();
    if (this.#closing.signal.aborted) return;
    const again = () => void this.#logIn().catch(() => undefined);
    this.#cancelTimer = this.#options.clock.after(Math.min(ms, LONGEST_TIMER_MS), again);
  }

  /** From now on requests have the token of that session, or none. */
  #supersede(session: Session | undefined): void {
    const before = this.#current;
    this.#current = session;
    if (session) {
      this.#term = session.term;
      this.#open.add(session);
    }
    if (!before) return;
    before.superseded.abort();
    inBackground(this.#endUnused(before));
  }

  async #endUnused(session: Session): Promise<void> {
    if (session.uses === 0) await this.#end(session);
  }

  /** Never rejects. */
  #end(session: Session): Promise<void> {
    return (session.ended ??= this.#options.api
      .logout(session.token)
      .catch((error: unknown) =>
        this.#options.log.info('could not log out of Consul, the token ends by itself if it has a limit', { error }),
      )
      .finally(() => this.#open.delete(session)));
  }

  get #what(): string {
    return `log in to Consul by the auth method ${this.#options.login.authMethod}`;
  }
}

async function readBearer(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Error(`read bearer token file ${path}`, { cause });
  }
}

/** Milliseconds; Infinity without an end. */
function lifeOf(created: string, ends: string): number {
  const ms = Date.parse(ends) - Date.parse(created);
  return Number.isNaN(ms) ? Infinity : ms;
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

import { setMaxListeners } from 'node:events';
import { inBackground } from '../background.ts';
import { backoffMs, sleep } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import { byCause } from '../observability/causes.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { KubernetesRequester } from './client.ts';
import { discover } from './discovery.ts';
import { hasStatus } from './errors.ts';
import { KindRights, RIGHTS_PACE, type MissingRights, type RightsPace } from './kind-rights.ts';
import type { KubernetesObject } from './objects.ts';
import type { CustomKind, Resource } from './resources.ts';
import type { Followed, View } from './view.ts';

/** How often to look whether somebody has installed the kind or taken it away. */
export interface KindPace extends RightsPace {
  readonly lookAgainMs: number;
  /** Soonest after the last look, however often somebody asks for a look. */
  readonly pauseMs: number;
}

/** After a failure of any kind: whoever is away may come back at any time. */
const LONGEST_RETRY_MS = 5000;
const KIND_PACE: KindPace = { lookAgainMs: 15_000, pauseMs: 1000, ...RIGHTS_PACE };
/** Reading all objects of the kind may take so long. */
const READ_LIMIT_MS = 15_000;

export interface OptionalKindOptions<T extends KubernetesObject> {
  readonly client: KubernetesRequester;
  readonly kind: CustomKind<T>;
  readonly namespaces: readonly string[];
  /** Starts to follow the objects of one namespace, until the signal aborts. */
  readonly follow: (resource: Resource<T>, namespace: string, signal: AbortSignal) => Followed<T>;
  /** What else has to be read before the kind counts as found. */
  readonly prepare: () => Promise<unknown>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** @default KIND_PACE */
  readonly pace?: KindPace | undefined;
  /** @default the machine's */
  readonly clock?: Clock;
  /** @default Math.random */
  readonly random?: () => number;
}

/** A kind that is there and may be used, with its objects in each namespace where we have the rights. */
export interface FoundKind<T extends KubernetesObject> {
  readonly resource: Resource<T>;
  readonly views: ReadonlyMap<string, View<T>>;
}

/** The kind as the API server has it, and where it may not be used. */
interface Usable<T extends KubernetesObject> {
  readonly resource: Resource<T>;
  readonly missing: MissingRights;
}

interface Absence {
  /** Why the kind cannot be used; empty when it can. */
  readonly why: string;
  readonly isServed: boolean;
}

/**
 * Follows a kind that an API server need not have (a custom resource), and that may come and go while we run. A look, every
 * 15 seconds and on `lookAgain`, asks for the kind in the versions that we know, and for our rights to it:
 *
 * | the API server says                              | outcome                                                       |
 * |--------------------------------------------------|---------------------------------------------------------------|
 * | that it has no such kind                         | absent, not served                                            |
 * | that we may not ask (403)                        | absent; served or not as before                               |
 * | that it has the kind, and a right is missing in every namespace | absent, served                                 |
 * | ... and all rights are there in some namespaces  | its objects there are followed; found once all of them were read |
 * | ... in another version, or in other namespaces, than until now | followed anew; the old views serve until the new are complete |
 * | anything else, or nothing                        | a failure: nothing changes, and the next look is soon         |
 *
 * With some of the rights in a namespace it would be worse than with none: there the kind is absent, and nowhere else for
 * that reason. How seldom our rights are asked for, KindRights decides: those of a kind that comes are asked for at once,
 * and at the next look after `lookAgain`, after a failure, and while a watch fails.
 */
export class OptionalKind<T extends KubernetesObject> {
  readonly #options: OptionalKindOptions<T>;
  readonly #clock: Clock;
  readonly #rights: KindRights;
  /** Resolves when it is known for the first time whether the kind is there. */
  readonly settled: Promise<void>;
  readonly #listeners = new Set<() => void>();
  #resolveSettled: () => void = () => undefined;
  #isSettled = false;
  #found: FoundKind<T> | undefined;
  #absence: Absence = { why: '', isServed: false };
  #missing: MissingRights = new Map();
  #failure: string | undefined = 'not read yet';
  #followed: readonly Followed<T>[] = [];
  #stopFollowing = new AbortController();
  #wake = new AbortController();

  constructor(options: OptionalKindOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#rights = new KindRights({ ...options, pace: options.pace ?? KIND_PACE, clock: this.#clock });
    this.settled = new Promise((resolve) => (this.#resolveSettled = resolve));
    inBackground(this.#run());
  }

  /** Whether the API server has the kind, with or without our rights to it. */
  get isServed(): boolean {
    return this.#absence.isServed;
  }

  get found(): FoundKind<T> | undefined {
    return this.#found;
  }

  /** Why the kind is not found; empty when it is, be it in one namespace only. */
  get absence(): string {
    return this.#absence.why;
  }

  /** Why the kind may not be used in a namespace; empty where it may. */
  absenceIn(namespace: string): string {
    if (this.#found?.views.has(namespace)) return '';
    const missing = this.#missing.get(namespace);
    return missing === undefined ? this.absence : noRightTo(missing);
  }

  /** Why what is known of the kind may be out of date; undefined while all is well, and where there is nothing to follow. */
  get failure(): string | undefined {
    if (!this.#isSettled) return this.#failure;
    const failures = this.#found ? failuresOf(this.#followed) : [];
    return failures.length > 0 ? byCause(failures).join('; ') : undefined;
  }

  /** Told whenever the kind came or went. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** For a caller that has seen a sign that the kind is gone, or that we may not use it any more. */
  lookAgain(): void {
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    const { kind, log, metrics, random, signal, pace = KIND_PACE } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      if (this.#wake.signal.aborted || this.failure !== undefined) this.#rights.forget();
      this.#wake = new AbortController();
      try {
        await this.#look();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#rights.forget();
        this.#failure = explainError(error);
        metrics.watchFailures.inc({ source: kind.kind });
        log.warn('kind cannot be looked for, will try again', { kind: kind.kind, failures, error });
      }
      await sleep(pace.pauseMs, signal, this.#clock);
      const maxMs = Math.min(LONGEST_RETRY_MS, pace.lookAgainMs);
      const backoff = { baseMs: 400, maxMs, ...(random ? { random } : {}) };
      const wait = failures > 0 ? backoffMs(failures, backoff) : pace.lookAgainMs;
      await sleep(wait, AbortSignal.any([signal, this.#wake.signal]), this.#clock);
    }
  }

  async #look(): Promise<void> {
    const found = await this.#find();
    if ('why' in found) return this.#lose(found);
    const usable = new Set(this.#options.namespaces.filter((namespace) => !found.missing.has(namespace)));
    this.#missing = found.missing;
    const isSameVersion = this.#found?.resource.apiVersion === found.resource.apiVersion;
    if (!isSameVersion || !isSame(usable, new Set(this.#found?.views.keys())))
      await this.#follow(found.resource, [...usable]);
  }

  /** The kind as it can be used, or why it cannot be used. */
  async #find(): Promise<Usable<T> | Absence> {
    const { client, kind, namespaces } = this.#options;
    try {
      const resource = await discover(client, kind);
      if (!resource) {
        this.#rights.forget();
        return { why: `the API server has no ${kind.plural}.${kind.group}`, isServed: false };
      }
      const missing = await this.#rights.missing(new Set(this.#found?.views.keys()));
      const [first] = missing.values();
      const isMissingEverywhere = first !== undefined && namespaces.every((namespace) => missing.has(namespace));
      return isMissingEverywhere ? { why: noRightTo(first), isServed: true } : { resource, missing };
    } catch (error) {
      if (!hasStatus(error, 403)) throw error;
      this.#rights.forget();
      return { why: explainError(error), isServed: this.isServed };
    }
  }

  async #follow(resource: Resource<T>, namespaces: readonly string[]): Promise<void> {
    const { follow, prepare, signal } = this.#options;
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    // Each watch listens to it.
    setMaxListeners(0, until);
    const followed = namespaces.map((namespace) => [namespace, follow(resource, namespace, until)] as const);
    const reading = Promise.all(
      followed.map(async ([namespace, { synced }]): Promise<[string, View<T>]> => [namespace, await synced]),
    );
    const done = new AbortController();
    // The kind may go while it is being read: then the next look finds that out.
    const tooLong = sleep(READ_LIMIT_MS, AbortSignal.any([until, done.signal]), this.#clock).then(() => undefined);
    const views = await Promise.race([Promise.all([reading, prepare()]), tooLong]);
    done.abort();
    const watches = followed.map(([, watch]) => watch);
    if (!views) {
      stop.abort();
      const why = failuresOf(watches).join('; ');
      throw new Error(`read ${resource.kind}: not complete after ${READ_LIMIT_MS / 1000} s: ${why}`);
    }
    // In another version the objects are the same: the old views serve until the new ones are complete.
    this.#stopFollowing.abort();
    this.#stopFollowing = stop;
    this.#followed = watches;
    this.#found = { resource, views: new Map(views[0]) };
    this.#settle({ why: '', isServed: true });
  }

  #lose(absence: Absence): void {
    this.#stopFollowing.abort();
    this.#found = undefined;
    this.#missing = new Map();
    if (absence.why !== this.absence || absence.isServed !== this.isServed) this.#settle(absence);
  }

  #settle(absence: Absence): void {
    this.#absence = absence;
    this.#isSettled = true;
    this.#resolveSettled();
    for (const listener of this.#listeners) listener();
  }
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((namespace) => b.has(namespace));
}

function noRightTo(missing: string): string {
  return `there is no right to ${missing}`;
}

function failuresOf(followed: readonly { readonly failure: string | undefined }[]): string[] {
  return followed.flatMap(({ failure }) => failure ?? []);
}

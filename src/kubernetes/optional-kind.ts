import { setMaxListeners } from 'node:events';
import { backoffMs, sleep } from '../backoff.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { mayWe } from './access.ts';
import type { KubernetesClient } from './client.ts';
import { discover } from './discovery.ts';
import { hasStatus } from './errors.ts';
import type { KubernetesObject } from './objects.ts';
import { Reflector } from './reflector.ts';
import type { CustomKind, Resource } from './resources.ts';
import type { View } from './view.ts';

/** How often to look whether somebody has installed the kind, given us the rights, or taken either away. */
export interface KindPace {
  readonly lookAgainMs: number;
  /** Soonest after the last look, however often somebody asks for one. */
  readonly pauseMs: number;
}

const KIND_PACE: KindPace = { lookAgainMs: 15_000, pauseMs: 1000 };
/** Reading all objects of the kind may take so long. */
const READ_LIMIT_MS = 15_000;
/** What we do with such objects. */
const VERBS = ['list', 'watch', 'create', 'patch', 'delete'];

export interface OptionalKindOptions<T extends KubernetesObject> {
  readonly client: KubernetesClient;
  readonly kind: CustomKind<T>;
  readonly namespaces: readonly string[];
  readonly labelSelector: string;
  /** What else has to be read before the kind counts as found. */
  readonly prepare: () => Promise<unknown>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** @default KIND_PACE */
  readonly pace?: KindPace | undefined;
}

/** A kind that is there and may be used, with its objects in each namespace. */
export interface FoundKind<T extends KubernetesObject> {
  readonly resource: Resource<T>;
  readonly views: ReadonlyMap<string, View<T>>;
}

interface Absence {
  /** Why the kind cannot be used; empty when it can. */
  readonly why: string;
  readonly isServed: boolean;
}

/**
 * Follows a kind that an API server need not have (a custom resource), and that may come and go while we run:
 * - looks for it, in the versions that we know, and whether we have all rights to it; every 15 seconds, and on `lookAgain`;
 * - when it is there, its objects are followed like any other's, and it counts as found once all were read;
 * - it counts as absent only when the API server says so, or that a right is missing: any other failure changes nothing.
 */
export class OptionalKind<T extends KubernetesObject> {
  readonly #options: OptionalKindOptions<T>;
  /** When it is known for the first time whether the kind is there. */
  readonly settled: Promise<void>;
  readonly #listeners = new Set<() => void>();
  #resolveSettled: () => void = () => undefined;
  #isSettled = false;
  #found: FoundKind<T> | undefined;
  #absence: Absence = { why: '', isServed: false };
  #failure: string | undefined = 'not read yet';
  #reflectors: readonly Reflector<T>[] = [];
  #stopFollowing = new AbortController();
  #wake = new AbortController();

  constructor(options: OptionalKindOptions<T>) {
    this.#options = options;
    this.settled = new Promise((resolve) => (this.#resolveSettled = resolve));
    void this.#run();
  }

  /** Whether the API server has it, with or without our rights to it. */
  get isServed(): boolean {
    return this.#absence.isServed;
  }

  get found(): FoundKind<T> | undefined {
    return this.#found;
  }

  /** Why it is not found; empty when it is. */
  get absence(): string {
    return this.#absence.why;
  }

  /** Why what is known of it may be old; undefined while all is well, and where there is nothing to follow. */
  get failure(): string | undefined {
    if (!this.#isSettled) return this.#failure;
    const failures = this.#found ? this.#reflectors.flatMap(({ failure }) => failure ?? []) : [];
    return failures.length > 0 ? failures.join('; ') : undefined;
  }

  /** Told whenever the kind came or went. */
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** For whoever has seen a sign that the kind is gone. */
  lookAgain(): void {
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    const { kind, log, metrics, signal, pace = KIND_PACE } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      this.#wake = new AbortController();
      try {
        await this.#look();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#failure = explainError(error);
        metrics.watchFailures.inc({ source: kind.kind });
        log.warn('kind cannot be looked for, will try again', { kind: kind.kind, failures, error });
      }
      await sleep(pace.pauseMs, signal);
      const { lookAgainMs } = pace;
      const wait = failures > 0 ? backoffMs(failures, { baseMs: 400, maxMs: lookAgainMs }) : lookAgainMs;
      await sleep(wait, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  async #look(): Promise<void> {
    const found = await this.#find();
    if ('why' in found) this.#lose(found);
    else if (this.#found?.resource.apiVersion !== found.apiVersion) await this.#follow(found);
  }

  /** The kind as it can be used, or why it cannot. */
  async #find(): Promise<Resource<T> | Absence> {
    const { client, kind } = this.#options;
    try {
      const resource = await discover(client, kind);
      if (!resource) return { why: `the API server has no ${kind.plural}.${kind.group}`, isServed: false };
      const missing = await this.#missingRight();
      return missing === undefined ? resource : { why: `there is no right to ${missing}`, isServed: true };
    } catch (error) {
      if (hasStatus(error, 403)) return { why: explainError(error), isServed: this.isServed };
      throw error;
    }
  }

  /** With some of the rights it would be worse than with none: what cannot be written would be missed by those who rely on it. */
  async #missingRight(): Promise<string | undefined> {
    const { client, kind, namespaces } = this.#options;
    const wanted = namespaces.flatMap((namespace) => VERBS.map((verb) => ({ namespace, verb })));
    const allowed = await Promise.all(
      wanted.map((access) => mayWe(client, { ...access, group: kind.group, resource: kind.plural })),
    );
    // Who had the rights until now does not lose them to an authorizer that is in trouble.
    const missing = wanted.find((_, i) => allowed[i] === false || (allowed[i] === undefined && !this.#found));
    return missing && `${missing.verb} ${kind.plural}.${kind.group} in namespace ${missing.namespace}`;
  }

  async #follow(resource: Resource<T>): Promise<void> {
    const { namespaces, prepare, signal } = this.#options;
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    // Each watch listens to it.
    setMaxListeners(0, until);
    const reflectors = namespaces.map(
      (namespace) => [namespace, new Reflector({ ...this.#options, resource, namespace, signal: until })] as const,
    );
    const reading = Promise.all(
      reflectors.map(async ([namespace, { synced }]): Promise<[string, View<T>]> => [namespace, await synced]),
    );
    const done = new AbortController();
    // It may go while it is being read: then the next look finds that out.
    const tooLong = sleep(READ_LIMIT_MS, AbortSignal.any([until, done.signal])).then(() => undefined);
    const views = await Promise.race([Promise.all([reading, prepare()]), tooLong]);
    done.abort();
    if (!views) {
      stop.abort();
      const why = reflectors.flatMap(([, { failure }]) => failure ?? []).join('; ');
      throw new Error(`read ${resource.kind}: not complete after ${READ_LIMIT_MS / 1000} s: ${why}`);
    }
    // In another version the objects are the same: the old views serve until the new ones are complete.
    this.#stopFollowing.abort();
    this.#stopFollowing = stop;
    this.#reflectors = reflectors.map(([, reflector]) => reflector);
    this.#found = { resource, views: new Map(views[0]) };
    this.#settle({ why: '', isServed: true });
  }

  #lose(absence: Absence): void {
    this.#stopFollowing.abort();
    this.#found = undefined;
    if (absence.why !== this.absence || absence.isServed !== this.isServed) this.#settle(absence);
  }

  #settle(absence: Absence): void {
    this.#absence = absence;
    this.#isSettled = true;
    this.#resolveSettled();
    for (const listener of this.#listeners) listener();
  }
}

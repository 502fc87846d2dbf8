import { inBackground } from '../background.ts';
import { sleep } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { WatchEvent } from './encoding/formats.ts';
import { only, strings } from './encoding/message.ts';
import { describePurpose, hasStatus } from './errors.ts';
import { KindReader, type KindReaderOptions } from './kind-reader.ts';
import { KindView, versionOf } from './kind-view.ts';
import type { KubernetesObject } from './objects.ts';
import { wentBack } from './resource-version.ts';
import type { Resource } from './resources.ts';
import { failureKind, isAbsence, NO_FAILURES, retryAfter, type Failure, type Failures } from './retry.ts';
import type { View } from './view.ts';

const PAGE_SIZE = 500;
/** A watch that ends sooner without a single event is counted as a failure, or a broken server would be asked in a loop. */
const SHORTEST_WATCH_MS = 1000;
/** What a watch has to tell of before its beginning comes without a pause; then nothing comes for so long. */
const QUIET_MS = 50;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';
const END_MARK = only(
  'metadata',
  1,
  only(
    'annotations',
    12,
    strings((key) => key === INITIAL_EVENTS_END),
  ),
);

export interface ReflectorOptions<T extends KubernetesObject> extends KindReaderOptions {
  readonly resource: Resource<T>;
  readonly labelSelector?: string;
  /** `metadata.name=NAME` for one object, with the right to no other. */
  readonly fieldSelector?: string;
  /** Told each time that the API server refuses to let us read, for want of a right. */
  readonly onRefused?: () => void;
  /** Told when the kind is followed again after the API server was away. */
  readonly onReturn?: () => void;
  readonly log: Log;
  readonly metrics: Metrics;
  /** @default that of the process */
  readonly clock?: Clock;
  /** @default Math.random */
  readonly random?: () => number;
}

/** How a watch, or what comes before it, ended that was no success. */
interface Ending extends Failure {
  /** Undefined for an end without a reason. */
  readonly error: unknown;
}

/**
 * Keeps a View equal to what the API server has, for ever:
 * - reads everything as a stream (KEP-3157), consistent with etcd; a server that cannot is read in pages of 500;
 * - publishes the View only when complete; a relist replaces its content only when complete;
 * - then watches from the last resourceVersion; bookmarks move that on;
 * - before a watch is resumed, a consistent read tells whether time went back (etcd was put back to an older state): then
 *   what was seen of the lost time is forgotten;
 * - reads everything again when time went back, after 410 Gone, and when the API server was away: it may have gone back, and
 *   be past our version by now;
 * - takes in no answer before it was checked, after that came, that the API server still answers for our cluster;
 * - speaks protobuf with a server that does, for a kind that has it, and JSON once a server did not;
 * - after any other failure (refused, reset, silent for 90 s, garbage) waits as `retryAfter` says, and resumes.
 */
export class Reflector<T extends KubernetesObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #reader: KindReader;
  readonly #content: KindView<T>;
  readonly #selector: Readonly<Record<string, string>>;
  /** Without it a look at one object alone would need the right to all. */
  readonly #field: Readonly<Record<string, string>>;
  /** The newest version that we saw of the time that the API server is in. */
  #version: string | undefined;
  #mustList = true;
  /** The next complete list is of a time to which the API server went back. */
  #isNewTime = false;
  #streamingList = true;
  #wasAway = false;
  #failure: string | undefined = 'not read yet';
  #isRefused = false;
  /** Since when the running watch tells every change, and how many it told. */
  #told: { readonly sinceMs: number; events: number } | undefined;
  /** Ends the running watch. */
  #interrupt = new AbortController();
  /** Told when a watch has begun. */
  #onBegun: () => void = () => undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#reader = new KindReader(options);
    this.#content = new KindView(options);
    const { labelSelector, fieldSelector } = options;
    this.#field = fieldSelector ? { fieldSelector } : {};
    this.#selector = { ...this.#field, ...(labelSelector ? { labelSelector } : {}) };
    inBackground(this.#run());
  }

  /** The view, once it is complete for the first time. */
  get synced(): Promise<View<T>> {
    return this.#content.synced;
  }

  /** Why the view cannot be trusted to be fresh right now; undefined while the watch is running. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Whether the failure is that we have no right to read. */
  get isRefused(): boolean {
    return this.#failure !== undefined && this.#isRefused;
  }

  /**
   * Begins another watch, on a connection of its own: the running one may be dead, and nobody was told. Resolves when what
   * changed until then has been taken in, which comes with the beginning of the watch.
   */
  async resume(): Promise<void> {
    await this.synced;
    const begun = new Promise<void>((resolve) => (this.#onBegun = resolve));
    this.#interrupt.abort();
    await begun;
    for (let seen = -1; this.#told && seen !== this.#told.events;) {
      seen = this.#told.events;
      await sleep(QUIET_MS, this.#options.signal, this.#clock);
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#options;
    for (let failures = NO_FAILURES; !signal.aborted;) {
      const ending = await this.#follow();
      if (signal.aborted) return;
      if (this.#wasSuccess(ending?.error)) failures = NO_FAILURES;
      if (ending) failures = await this.#wait(failures, ending);
    }
  }

  /** Up to the end of one watch; undefined when it was an ordinary end. */
  async #follow(): Promise<Ending | undefined> {
    this.#told = undefined;
    const { signal } = (this.#interrupt = new AbortController());
    try {
      await this.#lookBack();
      if (this.#mustList && !this.#streamingList) await this.#listPages();
      await this.#watch(signal);
      return this.#wasSuccess() ? undefined : { kind: 'too short', isNews: false, error: undefined };
    } catch (error) {
      if (signal.aborted) return undefined;
      const kind = failureKind(error);
      const isNews = this.#adapt(error);
      if (!this.#told && isAbsence(kind)) this.#mustList = this.#wasAway = true;
      return { kind, isNews, error };
    }
  }

  /** Whether failures before the last watch do not count any more, however it ended. */
  #wasSuccess(error?: unknown): boolean {
    if (!this.#told) return false;
    const { sinceMs, events } = this.#told;
    return this.#clock.now() - sinceMs >= SHORTEST_WATCH_MS || (error === undefined && events > 0);
  }

  async #wait(before: Failures, ending: Ending): Promise<Failures> {
    const { signal, log, metrics, resource, onRefused } = this.#options;
    const { failures, longestWaitMs } = retryAfter(before, ending);
    const { kind, error } = ending;
    this.#isRefused = hasStatus(error, 403);
    if (longestWaitMs > 0 && error !== undefined) {
      this.#failure = explainError(error);
      metrics.watchFailures.inc({ source: resource.kind });
      log.warn('watch failed, will resume', { kind: resource.kind, failures: failures.get(kind), error });
    }
    if (this.#isRefused) onRefused?.();
    await sleep(this.#random() * longestWaitMs, signal, this.#clock);
    return failures;
  }

  /** True when the failure tells how to go on: relist, list in pages, or speak JSON. */
  #adapt(error: unknown): boolean {
    if (hasStatus(error, 410) && !this.#mustList) {
      this.#mustList = true;
      return true;
    }
    // Something on the way has no protobuf, and does not take the JSON that would be welcome too.
    if (hasStatus(error, 406) && this.#reader.giveUpProtobuf()) return true;
    // A server without streaming lists refuses the unknown options: 422 Invalid, or 400 from an old one.
    if (this.#streamingList && this.#mustList && (hasStatus(error, 422) || hasStatus(error, 400))) {
      this.#streamingList = false;
      return true;
    }
    return false;
  }

  /** A consistent read of as little as possible; a complete list tells as much. */
  async #lookBack(): Promise<void> {
    if (!this.#mustList)
      this.#compare((await this.#reader.list({ limit: '1', ...this.#field })).metadata.resourceVersion);
  }

  /** Whether the API server still has what we saw. @param found the version of a consistent read */
  #compare(found: string): void {
    const known = this.#version;
    if (known === undefined || !wentBack(known, found)) return;
    const { log, metrics, resource, namespace } = this.#options;
    this.#version = undefined;
    this.#mustList = true;
    this.#isNewTime = true;
    this.#failure = `Kubernetes went back in time, from version ${known} to ${found}: everything is read again`;
    metrics.timeWentBack.inc({ source: 'kubernetes', sign: 'lower-revision' });
    const where = namespace === undefined ? {} : { namespace };
    log.warn('Kubernetes went back in time, reading everything again', { kind: resource.kind, ...where, known, found });
  }

  /** One watch until the server ends it, with all objects before it where these have to be read. */
  async #watch(interrupted: AbortSignal): Promise<void> {
    // Random, so that the watches of a whole fleet do not end together.
    const timeoutSeconds = String(300 + Math.floor(this.#random() * 300));
    let initial = this.#mustList ? new Map<string, T>() : undefined;
    const start = initial
      ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
      : { resourceVersion: this.#version ?? '' };
    await this.#reader.watch(
      { allowWatchBookmarks: 'true', timeoutSeconds, ...start, ...this.#selector },
      interrupted,
      () => {
        if (!initial) this.#beginFollowing();
      },
      (event) => {
        if (!initial) return this.#apply(event);
        if (!isInitialEventsEnd(event)) return this.#content.collectEvent(event, initial);
        this.#publish(initial, versionOf(event.object));
        initial = undefined;
        this.#beginFollowing();
      },
    );
    if (!initial) return;
    // As a failure it is tried again with backoff: a list is the dearest thing that can be asked for.
    const { resource, namespace = '' } = this.#options;
    const purpose = describePurpose({ verb: 'watch', kind: resource.kind, object: namespace });
    throw new Error(`${purpose}: the answer ended before the list was complete`);
  }

  #apply(event: WatchEvent): void {
    // Only after the event was applied: a failure in between must deliver it again.
    this.#version = this.#content.apply(event) || this.#version;
    if (this.#told) this.#told.events++;
  }

  /** Consistent list in pages, for servers without streaming lists. A page that expires starts the list anew. */
  async #listPages(): Promise<void> {
    const objects = new Map<string, T>();
    for (let next = {}; ;) {
      const { metadata, items } = await this.#reader.list({ limit: String(PAGE_SIZE), ...next, ...this.#selector });
      for (const encoded of items) this.#content.collect(encoded, objects);
      if (metadata.continue === '') return this.#publish(objects, metadata.resourceVersion);
      next = { continue: metadata.continue };
    }
  }

  #publish(objects: Map<string, T>, resourceVersion: string): void {
    const { log, metrics, resource } = this.#options;
    metrics.relists.inc({ kind: resource.kind });
    log.debug('read completely', { kind: resource.kind, objects: objects.size, resourceVersion });
    // Time may have gone back since the look.
    this.#compare(resourceVersion);
    const isNewTime = this.#isNewTime;
    this.#version = resourceVersion;
    this.#mustList = false;
    this.#isNewTime = false;
    this.#content.fill(objects, isNewTime);
  }

  /** From now on each change is told. */
  #beginFollowing(): void {
    this.#failure = undefined;
    this.#told = { sinceMs: this.#clock.now(), events: 0 };
    this.#onBegun();
    if (!this.#wasAway) return;
    this.#wasAway = false;
    this.#options.onReturn?.();
  }
}

function isInitialEventsEnd({ type, object }: WatchEvent): boolean {
  return type === 'BOOKMARK' && object.as(END_MARK).get(INITIAL_EVENTS_END) === 'true';
}

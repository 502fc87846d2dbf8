import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { backoffMs, sleep } from '../backoff.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { KubernetesClient } from './client.ts';
import { ACCEPT, formatOf, jsonFormat, LIST, STATUS, type Format, type WatchEvent } from './encoding/formats.ts';
import { message, only, string, strings, type Encoded } from './encoding/message.ts';
import { describePurpose, KubernetesError, type Purpose } from './errors.ts';
import { objectKey, type KubernetesObject } from './objects.ts';
import { pathOf, type Resource } from './resources.ts';
import { View } from './view.ts';

/** As client-go's reflector: caps of 0.8, 1.6, 3.2 ... 30 s, full jitter. */
const BACKOFF = { baseMs: 800, maxMs: 30_000 };
const PAGE_SIZE = 500;
/** A watch that ends sooner without a single event is counted as a failure, or a broken server would be asked in a loop. */
const SHORTEST_WATCH_MS = 1000;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/** What concerns reading itself, whatever the kind. */
const VERSION = only('metadata', 1, only('resourceVersion', 6, string));
const KEY = only('metadata', 1, message({ name: [1, string], namespace: [3, string] }));
const END_MARK = only(
  'metadata',
  1,
  only(
    'annotations',
    12,
    strings((key) => key === INITIAL_EVENTS_END),
  ),
);

export interface ReflectorOptions<T extends KubernetesObject> {
  readonly client: KubernetesClient;
  readonly resource: Resource<T>;
  /** @default all namespaces */
  readonly namespace?: string;
  readonly labelSelector?: string;
  /** `metadata.name=NAME` for one object, with the right to no other. */
  readonly fieldSelector?: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/**
 * Keeps a View equal to what the API server has, for ever:
 * - reads everything as a stream (KEP-3157), consistent with etcd; a server that cannot is read in pages of 500;
 * - publishes the View only when complete; a relist replaces its content only when complete;
 * - then watches from the last resourceVersion; bookmarks move that on; 410 Gone reads everything again;
 * - speaks protobuf with a server that does, for a kind that has it, and JSON once a server did not;
 * - any other failure (refused, reset, silent for 90 s, garbage) backs off and resumes where it was.
 */
export class Reflector<T extends KubernetesObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #path: string;
  readonly #purpose: Purpose;
  /** The view, once it is complete for the first time. */
  readonly synced: Promise<View<T>>;
  #resolveSynced: (view: View<T>) => void = () => undefined;
  #view: View<T> | undefined;
  #resourceVersion: string | undefined;
  #streamingList = true;
  #protobuf: boolean;
  #failure: string | undefined = 'not read yet';

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#protobuf = options.resource.hasProtobuf;
    this.#path = pathOf(options.resource, options.namespace);
    this.#purpose = { verb: 'watch', kind: options.resource.kind, object: options.namespace ?? '' };
    this.synced = new Promise((resolve) => (this.#resolveSynced = resolve));
    void this.#run();
  }

  /** Why the view cannot be trusted to be fresh right now; undefined while the watch is running. */
  get failure(): string | undefined {
    return this.#failure;
  }

  async #run(): Promise<void> {
    const { signal, log, metrics, resource } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      const startedAt = performance.now();
      try {
        if (this.#resourceVersion === undefined && !this.#streamingList) await this.#listPages();
        const events = await this.#watch();
        const tooShort = events === 0 && performance.now() - startedAt < SHORTEST_WATCH_MS;
        failures = tooShort ? failures + 1 : 0;
      } catch (error) {
        if (signal.aborted) return;
        // At once the first time; a server that says 410 again and again is not asked in a loop.
        if (this.#adapt(error) && failures++ === 0) continue;
        failures++;
        this.#failure = explainError(error);
        metrics.watchFailures.inc({ source: resource.kind });
        log.warn('watch failed, will resume', { kind: resource.kind, failures, error });
      }
      if (failures > 0) await sleep(backoffMs(failures - 1, BACKOFF), signal);
    }
  }

  /** True when the failure tells how to go on at once: relist, list in pages, or speak JSON. */
  #adapt(error: unknown): boolean {
    if (!(error instanceof KubernetesError)) return false;
    if (error.status === 410 && this.#resourceVersion !== undefined) {
      this.#resourceVersion = undefined;
      return true;
    }
    // Something on the way has no protobuf, and does not take the JSON that would be welcome too.
    if (this.#protobuf && error.status === 406) {
      this.#protobuf = false;
      return true;
    }
    // A server without streaming lists refuses the unknown options: 422 Invalid, or 400 from an old one.
    if (this.#streamingList && this.#resourceVersion === undefined && (error.status === 422 || error.status === 400)) {
      this.#streamingList = false;
      return true;
    }
    return false;
  }

  /** One watch until the server ends it; the number of events it brought. */
  async #watch(): Promise<number> {
    const { client, signal, labelSelector, fieldSelector } = this.#options;
    // Random, so that the watches of a whole fleet do not end together.
    const timeoutSeconds = String(300 + Math.floor(Math.random() * 300));
    const start =
      this.#resourceVersion === undefined
        ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
        : { resourceVersion: this.#resourceVersion };
    const { contentType, body } = await client.stream({
      purpose: this.#purpose,
      path: this.#path,
      query: {
        watch: '1',
        allowWatchBookmarks: 'true',
        timeoutSeconds,
        ...start,
        ...(labelSelector ? { labelSelector } : {}),
        ...(fieldSelector ? { fieldSelector } : {}),
      },
      accept: this.#protobuf ? ACCEPT.protobufWatch : ACCEPT.json,
      signal,
    });
    let initial = this.#resourceVersion === undefined ? new Map<string, T>() : undefined;
    if (!initial) this.#failure = undefined;
    let events = 0;
    const eventsOf = this.#formatOf(contentType).watch(this.#purpose.kind);
    const apply = (piece: Buffer) => {
      for (const event of eventsOf(piece)) {
        events++;
        if (initial && isInitialEventsEnd(event)) {
          this.#publish(initial, event.object.as(VERSION));
          initial = undefined;
        } else {
          this.#apply(event, initial);
        }
      }
    };
    await pipeline(body, sinkOf(apply));
    // As a failure it is tried again with backoff: a list is the dearest thing that can be asked for.
    if (initial) throw new Error(`${describePurpose(this.#purpose)}: the answer ended before the list was complete`);
    return events;
  }

  /** The format of an answer; where it is JSON, JSON is asked for from now on. */
  #formatOf(contentType: string): Format {
    const format = formatOf(contentType);
    if (format === jsonFormat) this.#protobuf = false;
    return format;
  }

  #apply({ type, object: encoded }: WatchEvent, initial: Map<string, T> | undefined): void {
    if (type === 'ERROR') {
      const { code = 0, reason, message } = encoded.as(STATUS);
      throw new KubernetesError(this.#purpose, code, reason, message);
    }
    const object = type === 'BOOKMARK' ? undefined : this.#decode(encoded);
    if (initial && !object && type !== 'BOOKMARK') this.#keep(encoded, initial);
    // Real events may come before the end of the initial ones: what is deleted meanwhile must not stay.
    if (object && initial && type === 'DELETED') initial.delete(objectKey(object));
    else if (object && initial) initial.set(objectKey(object), object);
    else if (object && type === 'DELETED') this.#view?.delete(object);
    else if (object) this.#view?.put(object);
    // Only after the event was applied: a failure in between must deliver it again.
    if (!initial) this.#resourceVersion = (object?.resourceVersion ?? versionOf(encoded)) || this.#resourceVersion;
  }

  /** Consistent list in pages, for servers without streaming lists. A page that expires starts the list anew. */
  async #listPages(): Promise<void> {
    const { client, signal, labelSelector, fieldSelector } = this.#options;
    const objects = new Map<string, T>();
    let token = '';
    for (;;) {
      const { contentType, body } = await client.read({
        purpose: { ...this.#purpose, verb: 'list' },
        path: this.#path,
        query: {
          limit: String(PAGE_SIZE),
          ...(token ? { continue: token } : {}),
          ...(labelSelector ? { labelSelector } : {}),
          ...(fieldSelector ? { fieldSelector } : {}),
        },
        accept: this.#protobuf ? ACCEPT.protobuf : ACCEPT.json,
        signal,
      });
      const { metadata, items } = this.#formatOf(contentType).list(this.#purpose.kind, body).as(LIST);
      for (const encoded of items) {
        const object = this.#decode(encoded);
        if (object) objects.set(objectKey(object), object);
        else this.#keep(encoded, objects);
      }
      token = metadata.continue;
      if (token === '') return this.#publish(objects, metadata.resourceVersion);
    }
  }

  #publish(objects: Map<string, T>, resourceVersion: string): void {
    this.#options.metrics.relists.inc({ kind: this.#options.resource.kind });
    this.#options.log.debug('read completely', {
      kind: this.#options.resource.kind,
      objects: objects.size,
      resourceVersion,
    });
    this.#resourceVersion = resourceVersion;
    this.#failure = undefined;
    if (this.#view) this.#view.replace(objects);
    else this.#resolveSynced((this.#view = new View(objects)));
  }

  /** What cannot be read at a relist is there nevertheless: it stays as it was. */
  #keep(encoded: Encoded, objects: Map<string, T>): void {
    try {
      const key = objectKey(encoded.as(KEY));
      const known = this.#view?.get(key);
      if (known) objects.set(key, known);
    } catch {
      // Not even its name can be read, which #decode has told.
    }
  }

  /** An object that cannot be read costs only itself: it is counted, and whatever is known of it stays. */
  #decode(encoded: Encoded): T | undefined {
    try {
      return this.#options.resource.read(encoded);
    } catch (error) {
      this.#options.metrics.undecodable.inc({ kind: this.#options.resource.kind });
      this.#options.log.warn('object cannot be read, left as it was', { kind: this.#options.resource.kind, error });
      return undefined;
    }
  }
}

/** Takes each piece as it comes. An iterator would put together the pieces that came meanwhile: a copy of the whole list. */
function sinkOf(take: (piece: Buffer) => void): Writable {
  return new Writable({
    write(piece: Buffer, _encoding, done) {
      try {
        take(piece);
      } catch (error) {
        return done(error instanceof Error ? error : new Error(String(error)));
      }
      done();
    },
  });
}

function isInitialEventsEnd({ type, object }: WatchEvent): boolean {
  return type === 'BOOKMARK' && object.as(END_MARK).get(INITIAL_EVENTS_END) === 'true';
}

/** Empty when not even that much of an object can be read: the version of the next object has to do. */
function versionOf(encoded: Encoded): string {
  try {
    return encoded.as(VERSION);
  } catch {
    return '';
  }
}

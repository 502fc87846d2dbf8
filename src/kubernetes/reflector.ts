import type { Readable } from 'node:stream';
import { backoffMs, sleep } from '../backoff.ts';
import {
  arrayField,
  expectObject,
  numberField,
  objectField,
  stringField,
  stringMapField,
  type JsonObject,
} from '../json.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { KubernetesClient } from './client.ts';
import { KubernetesError, type Purpose } from './errors.ts';
import { objectKey, type KubernetesObject } from './objects.ts';
import { pathOf, type Resource } from './resources.ts';
import { View } from './view.ts';

/** As client-go's reflector: caps of 0.8, 1.6, 3.2 ... 30 s, full jitter. */
const BACKOFF = { baseMs: 800, maxMs: 30_000 };
const PAGE_SIZE = 500;
/** A watch that ends sooner without a single event is counted as a failure, or a broken server would be asked in a loop. */
const SHORTEST_WATCH_MS = 1000;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

export interface ReflectorOptions<T extends KubernetesObject> {
  readonly client: KubernetesClient;
  readonly resource: Resource<T>;
  /** @default all namespaces */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/**
 * Keeps a View equal to what the API server has, for ever:
 * - reads everything as a stream (KEP-3157), consistent with etcd; a server that cannot is read in pages of 500;
 * - publishes the View only when complete; a relist replaces its content only when complete;
 * - then watches from the last resourceVersion; bookmarks move that on; 410 Gone reads everything again;
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
  #failure: string | undefined = 'not read yet';

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
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

  /** True when the failure tells how to go on at once: relist, or list in pages. */
  #adapt(error: unknown): boolean {
    if (!(error instanceof KubernetesError)) return false;
    if (error.status === 410 && this.#resourceVersion !== undefined) {
      this.#resourceVersion = undefined;
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
    const { client, signal, labelSelector } = this.#options;
    // Random, so that the watches of a whole fleet do not end together.
    const timeoutSeconds = String(300 + Math.floor(Math.random() * 300));
    const start =
      this.#resourceVersion === undefined
        ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
        : { resourceVersion: this.#resourceVersion };
    const body = await client.stream({
      purpose: this.#purpose,
      path: this.#path,
      query: {
        watch: '1',
        allowWatchBookmarks: 'true',
        timeoutSeconds,
        ...start,
        ...(labelSelector ? { labelSelector } : {}),
      },
      signal,
    });
    let initial = this.#resourceVersion === undefined ? new Map<string, T>() : undefined;
    if (!initial) this.#failure = undefined;
    let events = 0;
    for await (const line of lines(body)) {
      events++;
      const event = expectObject(JSON.parse(line), `${this.#purpose.kind} watch event`);
      const object = expectObject(event.object, `object of a ${this.#purpose.kind} watch event`);
      if (initial && isInitialEventsEnd(event, object)) {
        this.#publish(initial, stringField(objectField(object, 'metadata'), 'resourceVersion'));
        initial = undefined;
      } else {
        this.#apply(stringField(event, 'type'), object, initial);
      }
    }
    return events;
  }

  #apply(type: string, raw: JsonObject, initial: Map<string, T> | undefined): void {
    if (type === 'ERROR') throw this.#errorEvent(raw);
    const version = stringField(objectField(raw, 'metadata'), 'resourceVersion');
    if (type !== 'BOOKMARK') {
      const object = this.#decode(raw);
      // Real events may come before the end of the initial ones: what is deleted meanwhile must not stay.
      if (object && initial && type === 'DELETED') initial.delete(objectKey(object));
      else if (object && initial) initial.set(objectKey(object), object);
      else if (object && type === 'DELETED') this.#view?.delete(object);
      else if (object) this.#view?.put(object);
    }
    // Only after the event was applied: a failure in between must deliver it again.
    if (!initial && version !== '') this.#resourceVersion = version;
  }

  #errorEvent(raw: JsonObject): KubernetesError {
    return new KubernetesError(
      this.#purpose,
      numberField(raw, 'code') ?? 0,
      stringField(raw, 'reason'),
      stringField(raw, 'message'),
    );
  }

  /** Consistent list in pages, for servers without streaming lists. A page that expires starts the list anew. */
  async #listPages(): Promise<void> {
    const { client, signal, labelSelector } = this.#options;
    const objects = new Map<string, T>();
    let token = '';
    for (;;) {
      const page: JsonObject = expectObject(
        await client.request({
          purpose: { ...this.#purpose, verb: 'list' },
          path: this.#path,
          query: {
            limit: String(PAGE_SIZE),
            ...(token ? { continue: token } : {}),
            ...(labelSelector ? { labelSelector } : {}),
          },
          signal,
        }),
        `${this.#purpose.kind} list`,
      );
      if (!Array.isArray(page.items))
        throw new TypeError(
          `list ${this.#purpose.kind}: expected items, found a ${stringField(page, 'kind') || 'page'} without`,
        );
      for (const raw of arrayField(page, 'items')) {
        const object = this.#decode(raw);
        if (object) objects.set(objectKey(object), object);
      }
      token = stringField(objectField(page, 'metadata'), 'continue');
      if (token === '') return this.#publish(objects, stringField(objectField(page, 'metadata'), 'resourceVersion'));
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

  /** An object that cannot be read costs only itself: it is counted, and whatever is known of it stays. */
  #decode(raw: unknown): T | undefined {
    try {
      return this.#options.resource.decode(raw);
    } catch (error) {
      this.#options.metrics.undecodable.inc({ kind: this.#options.resource.kind });
      this.#options.log.warn('object cannot be read, left as it was', { kind: this.#options.resource.kind, error });
      return undefined;
    }
  }
}

function isInitialEventsEnd(event: JsonObject, object: JsonObject): boolean {
  return (
    stringField(event, 'type') === 'BOOKMARK' &&
    stringMapField(objectField(object, 'metadata'), 'annotations').get(INITIAL_EVENTS_END) === 'true'
  );
}

/** The complete lines of a stream; what follows the last newline when it ends was cut off and is dropped. */
async function* lines(body: Readable): AsyncGenerator<string> {
  const rest: Buffer[] = [];
  for await (const chunk of body as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const last = chunk.subarray(start, end);
      const line = rest.length === 0 ? last : Buffer.concat([...rest, last]);
      rest.length = 0;
      start = end + 1;
      if (line.length > 0) yield line.toString('utf8');
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
}

import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { WatchEvent } from './encoding/formats.ts';
import { message, only, string, type Encoded } from './encoding/message.ts';
import { keepMore } from './encoding/shared.ts';
import { objectKey, type KubernetesObject } from './objects.ts';
import type { Resource } from './resources.ts';
import { withPartsOf } from './same-parts.ts';
import { WatchedView, type View } from './view.ts';

/** What concerns reading itself, whatever the kind. */
const VERSION = only('metadata', 1, only('resourceVersion', 6, string));
const KEY = only('metadata', 1, message({ name: [1, string], namespace: [3, string] }));

export interface KindViewOptions<T extends KubernetesObject> {
  readonly resource: Resource<T>;
  readonly log: Log;
  readonly metrics: Metrics;
  /** When it aborts nobody looks at the View any more. @default never */
  readonly signal?: AbortSignal;
}

/**
 * The View of one kind, made of what the API server sends: whole lists, which replace what the View has, and the events
 * between them. An object that cannot be read costs only itself: it is counted, and whatever is known of it stays.
 */
export class KindView<T extends KubernetesObject> {
  readonly #options: KindViewOptions<T>;
  /** The view, once it is complete for the first time. */
  readonly synced: Promise<View<T>>;
  #resolveSynced: (view: View<T>) => void = () => undefined;
  #view: WatchedView<T> | undefined;
  /** How many objects what is shared between them has room for. */
  #counted = 0;

  constructor(options: KindViewOptions<T>) {
    this.#options = options;
    options.signal?.addEventListener('abort', () => this.#count(0));
    this.synced = new Promise((resolve) => (this.#resolveSynced = resolve));
  }

  /** A complete list. @param isNewTime after time went back, what was seen of the time that is lost is forgotten */
  fill(objects: Map<string, T>, isNewTime: boolean): void {
    if (!this.#view) this.#resolveSynced((this.#view = new WatchedView(objects)));
    else if (isNewTime) this.#view.beginAnew(objects);
    else this.#view.replace(objects);
    this.#count(objects.size);
  }

  /** An event after a complete list; the version of its object. */
  apply({ type, object: encoded }: WatchEvent): string {
    const object = type === 'BOOKMARK' ? undefined : this.#decode(encoded);
    if (object && type === 'DELETED') this.#view?.delete(object);
    else if (object) this.#view?.put(object);
    this.#count(this.#view?.size ?? 0);
    return object?.resourceVersion ?? versionOf(encoded);
  }

  /** An event of a list that comes as a stream: what is deleted before the list is complete must not stay. */
  collectEvent({ type, object: encoded }: WatchEvent, list: Map<string, T>): void {
    if (type === 'BOOKMARK') return;
    const object = this.#decode(encoded);
    if (object && type === 'DELETED') list.delete(objectKey(object));
    else this.#collect(encoded, object, list);
  }

  /** An object of a list that comes in pages. */
  collect(encoded: Encoded, list: Map<string, T>): void {
    this.#collect(encoded, this.#decode(encoded), list);
  }

  /** What cannot be read in a list is there nevertheless: it stays as it was. */
  #collect(encoded: Encoded, object: T | undefined, list: Map<string, T>): void {
    if (object) return this.#add(object, list);
    try {
      const key = objectKey(encoded.as(KEY));
      const known = this.#view?.get(key);
      if (known) list.set(key, known);
    } catch {
      // Not even its name can be read, which #decode has told.
    }
  }

  /**
   * A list is kept beside the view until it is complete, or less than the truth would be shown: what is in both is kept once, so
   * that a list of all that changed is no second copy.
   */
  #add(object: T, list: Map<string, T>): void {
    const key = objectKey(object);
    const known = this.#view?.get(key);
    list.set(key, known?.uid === object.uid ? withPartsOf(known, object) : object);
    this.#count(Math.max(list.size, this.#view?.size ?? 0));
  }

  #count(objects: number): void {
    if (this.#options.signal?.aborted === true) objects = 0;
    if (objects !== this.#counted) keepMore(objects - this.#counted);
    this.#counted = objects;
  }

  #decode(encoded: Encoded): T | undefined {
    const { resource, log, metrics } = this.#options;
    try {
      return resource.read(encoded);
    } catch (error) {
      metrics.undecodable.inc({ kind: resource.kind });
      log.warn('object cannot be read, left as it was', { kind: resource.kind, error });
      return undefined;
    }
  }
}

/** Empty when not even that much of an object can be read: the version of the next object has to do. */
export function versionOf(encoded: Encoded): string {
  try {
    return encoded.as(VERSION);
  } catch {
    return '';
  }
}

import { objectKey, type KubernetesObject } from './objects.ts';
import { isNewer } from './resource-version.ts';

/** Told that something about an object changed; either side is missing when it appeared or went. */
export type Listener<T> = (before: T | undefined, after: T | undefined) => void;

/** Takes what the API server answers to a write. */
export type Answered<T extends KubernetesObject> = Pick<View<T>, 'put' | 'drop'>;
/** Objects of one kind while they are followed, as a Reflector does it. */
export interface Followed<T extends KubernetesObject> {
  /** Resolves when they were read completely. */
  readonly synced: Promise<View<T>>;
  /** Why the view may be out of date; undefined while all is well. */
  readonly failure: string | undefined;
}

/** Uids of deleted objects that are remembered as evidence; beyond this the oldest need a direct read again. */
const REMEMBERED_DELETIONS = 50_000;

/**
 * The objects of one kind, as the API server told them. A View exists only once the kind was read completely (the
 * reflector makes it), so "not in the view" is never "not read yet". It is still no proof of absence: what is missing
 * from a list is inferred, what `sawDeletion` knows is evidenced.
 */
export interface View<T extends KubernetesObject> {
  readonly size: number;
  get(key: string): T | undefined;
  values(): IterableIterator<T>;
  /** True when the API server sent a DELETED event for the object with this uid. */
  sawDeletion(uid: string): boolean;
  subscribe(listener: Listener<T>): void;
  /**
   * An ADDED or MODIFIED event, or the answer to a write of our own, which may overtake its event. What is not newer is
   * no news, whatever its uid: a late answer about a predecessor must not hide the object that has the name now.
   */
  put(object: T): void;
  /**
   * The API server took a DELETE of ours: gone from here, but no evidence that it is gone (somebody's finalizer may keep
   * it), so a later event brings it back. An event that was quicker than the answer to the DELETE counts.
   * @param object as it was when its deletion was asked for
   */
  drop(object: T): void;
  /**
   * To be called before a write of our own is asked for: what takes its answer, but not when everything was read again
   * meanwhile. Time may have gone back, and then versions of the lost time say nothing; whatever is true, the watch tells.
   */
  beginWrite(): Answered<T>;
}

/** The view of what one watch tells. */
export class WatchedView<T extends KubernetesObject> implements View<T> {
  #objects: Map<string, T>;
  readonly #listeners = new Set<Listener<T>>();
  /** Uids to the resourceVersion of their deletion. */
  readonly #deleted = new Map<string, string>();
  /** How often everything was read again. */
  #lists = 0;

  constructor(objects: Map<string, T>) {
    this.#objects = objects;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  sawDeletion(uid: string): boolean {
    return this.#deleted.has(uid);
  }

  subscribe(listener: Listener<T>): void {
    this.#listeners.add(listener);
  }

  put(object: T): void {
    const key = objectKey(object);
    const before = this.#objects.get(key);
    // Newer than its deletion is an object that had only left the watch's selector.
    const deletedAt = this.#deleted.get(object.uid);
    if (
      (deletedAt !== undefined && !isNewer(object.resourceVersion, deletedAt)) ||
      (before && !isNewer(object.resourceVersion, before.resourceVersion))
    )
      return;
    this.#deleted.delete(object.uid);
    this.#objects.set(key, object);
    this.#notify(before, object);
  }

  /** A DELETED event. A newer object of the same name, with another uid, stays. */
  delete(object: T): void {
    this.#rememberDeletion(object);
    if (this.#objects.get(objectKey(object))?.uid === object.uid) this.#take(object);
  }

  drop(object: T): void {
    const before = this.#objects.get(objectKey(object));
    if (before?.uid === object.uid && !isNewer(before.resourceVersion, object.resourceVersion)) this.#take(object);
  }

  beginWrite(): Answered<T> {
    const lists = this.#lists;
    return {
      put: (object) => {
        if (lists === this.#lists) this.put(object);
      },
      drop: (object) => {
        if (lists === this.#lists) this.drop(object);
      },
    };
  }

  /** A complete relist after time went back: the deletions that were seen may never have happened. */
  beginAnew(objects: Map<string, T>): void {
    this.#deleted.clear();
    this.replace(objects);
  }

  /**
   * A complete relist, which counts whatever the versions of its objects: what it does not have is gone from the view, but
   * nobody saw it go; and what it has is not deleted, whatever was seen.
   */
  replace(objects: Map<string, T>): void {
    this.#lists++;
    const old = this.#objects;
    this.#objects = objects;
    for (const [key, after] of objects) {
      this.#deleted.delete(after.uid);
      const before = old.get(key);
      if (before?.uid !== after.uid || before.resourceVersion !== after.resourceVersion) this.#notify(before, after);
    }
    for (const [key, before] of old) if (!objects.has(key)) this.#notify(before, undefined);
  }

  #take(object: T): void {
    const key = objectKey(object);
    const before = this.#objects.get(key);
    this.#objects.delete(key);
    this.#notify(before, undefined);
  }

  #rememberDeletion({ uid, resourceVersion }: T): void {
    this.#deleted.set(uid, resourceVersion);
    if (this.#deleted.size <= REMEMBERED_DELETIONS) return;
    const [oldest] = this.#deleted.keys();
    if (oldest !== undefined) this.#deleted.delete(oldest);
  }

  #notify(before: T | undefined, after: T | undefined): void {
    for (const listener of this.#listeners) listener(before, after);
  }
}

/** Finds objects by something other than their key, and is told of changes before anybody who subscribes later. */
export class Index<T extends KubernetesObject> {
  readonly #view: View<T>;
  /** Most keys have a single object, which costs no set. */
  readonly #keys = new Map<string, string | Set<string>>();

  constructor(view: View<T>, keysOf: (object: T) => Iterable<string>) {
    this.#view = view;
    for (const object of view.values()) for (const key of keysOf(object)) this.#add(key, objectKey(object));
    view.subscribe((before, after) => {
      if (before) for (const key of keysOf(before)) this.#remove(key, objectKey(before));
      if (after) for (const key of keysOf(after)) this.#add(key, objectKey(after));
    });
  }

  get(key: string): T[] {
    const found = this.#keys.get(key) ?? [];
    return (typeof found === 'string' ? [found] : [...found]).flatMap((objectKey) => this.#view.get(objectKey) ?? []);
  }

  /** How many keys have an object. */
  get size(): number {
    return this.#keys.size;
  }

  keys(): IterableIterator<string> {
    return this.#keys.keys();
  }

  #add(key: string, object: string): void {
    const found = this.#keys.get(key);
    if (found === undefined) this.#keys.set(key, object);
    else if (typeof found !== 'string') found.add(object);
    else if (found !== object) this.#keys.set(key, new Set([found, object]));
  }

  #remove(key: string, object: string): void {
    const found = this.#keys.get(key);
    if (found === object) this.#keys.delete(key);
    if (found === undefined || typeof found === 'string') return;
    found.delete(object);
    if (found.size === 0) this.#keys.delete(key);
  }
}

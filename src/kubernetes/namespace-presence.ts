import type { Clock } from '../clock.ts';
import { inTime } from '../backoff.ts';
import type { Access, MayAccess } from './access.ts';
import type { KubernetesObject } from './objects.ts';
import type { Followed, View } from './view.ts';

/** Reading one object may take so long. */
const READ_LIMIT_MS = 15_000;

export interface NamespacePresenceOptions {
  readonly name: string;
  readonly may: MayAccess;
  /** Starts to watch that one Namespace, until the signal aborts. */
  readonly watch: (signal: AbortSignal) => Followed<KubernetesObject>;
  /** Told of each change of the Namespace. */
  readonly onChange: () => void;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Whether a Namespace is there, by a watch of that one Namespace. Whoever may not watch it does not know, and takes it as
 * there: a right that a Role gives in a namespace says that too.
 */
export class NamespacePresence {
  readonly #options: NamespacePresenceOptions;
  #stop = new AbortController();
  #followed: Followed<KubernetesObject> | undefined;
  #view: View<KubernetesObject> | undefined;

  constructor(options: NamespacePresenceOptions) {
    this.#options = options;
  }

  /** Why nothing can be written into the namespace; empty where nothing is known against it. */
  get absence(): string {
    if (!this.#view) return '';
    const namespace = this.#view.get(this.#options.name);
    if (!namespace) return 'there is no such namespace';
    return namespace.deletionTimestamp === '' ? '' : 'it is being deleted';
  }

  /** Starts the watch where that is allowed, and ends one that is not any more. @throws Error when there is no answer */
  async look(): Promise<void> {
    if (this.#followed && this.#followed.failure === undefined) return;
    if (!(await this.#mayWatch())) return this.#end();
    if (!this.#followed) await this.#begin();
  }

  async #mayWatch(): Promise<boolean> {
    const { may, name } = this.#options;
    const rights = ['list', 'watch'].map((verb): Access => {
      return { verb, group: '', resource: 'namespaces', namespace: '', name };
    });
    const allowed = await Promise.all(rights.map(may));
    return allowed.every((answer) => answer === true);
  }

  async #begin(): Promise<void> {
    const { name, watch, onChange, signal, clock } = this.#options;
    const stop = new AbortController();
    const followed = watch(AbortSignal.any([signal, stop.signal]));
    const view = await inTime(followed.synced, READ_LIMIT_MS, signal, clock);
    if (!view) {
      stop.abort();
      throw new Error(
        `read Namespace ${name}: not complete after ${READ_LIMIT_MS / 1000} s: ${followed.failure ?? ''}`,
      );
    }
    this.#stop = stop;
    this.#followed = followed;
    this.#view = view;
    view.subscribe(onChange);
  }

  #end(): void {
    this.#stop.abort();
    this.#followed = undefined;
    this.#view = undefined;
  }
}

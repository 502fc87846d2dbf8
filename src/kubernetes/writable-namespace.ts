import { inBackground } from '../background.ts';
import { backoffMs, inTime, sleep } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { MayAccess } from './access.ts';
import { NamespacePresence } from './namespace-presence.ts';
import { whyClosed, type NamespaceRights } from './namespace-rights.ts';
import type { KubernetesObject } from './objects.ts';
import type { Followed, View } from './view.ts';

/** How often a namespace is looked at. */
export interface NamespacePace {
  /** While it is closed, or the watch of its objects fails: somebody may be about to mend it. */
  readonly lookAgainMs: number;
  /** While it is open and all is well. */
  readonly openMs: number;
  /** So long an answer that we may write counts, whatever is refused: it is a quota or a webhook that refuses it. */
  readonly grantedMs: number;
}

export const NAMESPACE_PACE: NamespacePace = { lookAgainMs: 3000, openMs: 60_000, grantedMs: 2000 };
/** Reading the objects of a namespace may take so long. */
const READ_LIMIT_MS = 15_000;
/** Where the API server gives no answer about a namespace: caps of 0.8, 1.6 ... 15 s, full jitter. */
const RETRY = { baseMs: 800, maxMs: 15_000 };

export interface WritableNamespaceOptions<T extends KubernetesObject> {
  readonly name: string;
  readonly rights: NamespaceRights;
  readonly may: MayAccess;
  /** Starts to watch that one Namespace, until the signal aborts. */
  readonly watch: (signal: AbortSignal) => Followed<KubernetesObject>;
  /** Starts to follow the objects in it, until the signal aborts. */
  readonly follow: (signal: AbortSignal) => Followed<T>;
  /** Told when the namespace was opened or closed, or is closed for another reason, after all getters say so. */
  readonly onChange: () => void;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'watchFailures'>;
  readonly signal: AbortSignal;
  readonly pace: NamespacePace;
  /** @default the machine's */
  readonly clock?: Clock | undefined;
  /** @default Math.random */
  readonly random?: (() => number) | undefined;
}

/**
 * A namespace that we write to. It is open while it can be kept right, and closed while it cannot; nobody touches it then:
 *
 * | the Namespace                    | our rights there (`whyClosed`)  | the objects in it        | the namespace is                 |
 * |----------------------------------|---------------------------------|--------------------------|----------------------------------|
 * | is not there, or is being deleted |                                |                          | closed                           |
 * | is there, or may not be watched  | are not enough                  |                          | closed                           |
 * | the same                         | are enough                      | cannot be read in 15 s   | closed                           |
 * | the same                         | are enough                      | were read completely     | open                             |
 * | gives no answer                  |                                 |                          | as it was; at the start not known |
 *
 * A look is due when the Namespace changes, every 3 s while it is closed or the watch of its objects fails, every minute
 * while it is open, and when a write was refused. Its objects are followed while it is open and not longer, so that a view
 * is never older than the rights to it.
 */
export class WritableNamespace<T extends KubernetesObject> {
  readonly #options: WritableNamespaceOptions<T>;
  readonly #clock: Clock;
  readonly #presence: NamespacePresence;
  /** Resolves when it is known for the first time whether the namespace is open. */
  readonly settled: Promise<void>;
  #resolveSettled: () => void = () => undefined;
  #isSettled = false;
  #closed = 'not read yet';
  #failure = 'not read yet';
  #followed: Followed<T> | undefined;
  #stopFollowing = new AbortController();
  #view: View<T> | undefined;
  #lookedAt = -Infinity;
  #looking: Promise<void> | undefined;
  #wake = new AbortController();

  constructor(options: WritableNamespaceOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const onChange = () => this.#wake.abort();
    this.#presence = new NamespacePresence({ ...options, onChange, clock: this.#clock });
    this.settled = new Promise((resolve) => (this.#resolveSettled = resolve));
    inBackground(this.#run());
  }

  /** The objects in it; undefined while it is closed: what is there is not known then. */
  get view(): View<T> | undefined {
    return this.#view;
  }

  /** Why it is closed; empty while it is open. */
  get closed(): string {
    return this.#closed;
  }

  /** False when it is known that there is no such Namespace, or soon will be none: not even an Event can be written there. */
  get isThere(): boolean {
    return this.#presence.absence === '';
  }

  /** Why what is known of it may be out of date. A namespace that is closed is no failure. */
  get failure(): string | undefined {
    return this.#isSettled ? this.#followed?.failure : this.#failure;
  }

  /** For a caller to whom a write was refused: whether the namespace is closed now, and not only that object refused. */
  async isClosedNow(): Promise<boolean> {
    const isNews = this.#presence.absence !== '' || this.#clock.now() - this.#lookedAt >= this.#options.pace.grantedMs;
    // Without an answer it stays open: the write is tried again, and so is this.
    if (this.#closed === '' && isNews) await this.#look().catch(() => undefined);
    return this.#closed !== '';
  }

  async #run(): Promise<void> {
    const { signal, pace, random } = this.#options;
    for (let failures = 0; !signal.aborted;) {
      this.#wake = new AbortController();
      try {
        if (this.#isDue()) await this.#look();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#complain(error, ++failures);
      }
      const wait = failures > 0 ? backoffMs(failures - 1, { ...RETRY, ...(random && { random }) }) : pace.lookAgainMs;
      await sleep(wait, AbortSignal.any([signal, this.#wake.signal]), this.#clock);
    }
  }

  /** Aloud once: nothing changes for it, and whatever else is read from the API server says more. */
  #complain(error: unknown, failures: number): void {
    const { name, log, metrics } = this.#options;
    this.#failure = explainError(error);
    metrics.watchFailures.inc({ source: 'Namespace' });
    const fields = { namespace: name, failures, error };
    if (failures === 1) log.warn('namespace cannot be looked at, will try again', fields);
    else log.debug('namespace cannot be looked at, will try again', fields);
  }

  #isDue(): boolean {
    const isWell = this.#closed === '' && this.#presence.absence === '' && this.#followed?.failure === undefined;
    return !isWell || this.#clock.now() - this.#lookedAt >= this.#options.pace.openMs;
  }

  /** Looks now; whoever asks while it looks waits for the same look. */
  #look(): Promise<void> {
    return (this.#looking ??= this.#lookOnce().finally(() => (this.#looking = undefined)));
  }

  async #lookOnce(): Promise<void> {
    const { may, rights } = this.#options;
    await this.#presence.look();
    const { absence } = this.#presence;
    const why = absence === '' ? await whyClosed(may, rights) : absence;
    this.#lookedAt = this.#clock.now();
    if (why !== '') this.#close(why);
    else if (!this.#view) await this.#open();
  }

  async #open(): Promise<void> {
    const { follow, signal } = this.#options;
    const stop = new AbortController();
    const followed = follow(AbortSignal.any([signal, stop.signal]));
    const view = await inTime(followed.synced, READ_LIMIT_MS, signal, this.#clock);
    if (signal.aborted) return;
    if (!view) {
      stop.abort();
      return this.#close(`what is there cannot be read: ${followed.failure ?? 'no answer'}`);
    }
    this.#stopFollowing = stop;
    this.#followed = followed;
    this.#view = view;
    this.#settle('');
  }

  #close(why: string): void {
    this.#stopFollowing.abort();
    this.#followed = undefined;
    this.#view = undefined;
    if (why !== this.#closed || !this.#isSettled) this.#settle(why);
  }

  #settle(closed: string): void {
    const { name, log, onChange } = this.#options;
    if (closed === '' && this.#isSettled) log.info('namespace is written to again', { namespace: name });
    this.#closed = closed;
    this.#isSettled = true;
    this.#resolveSettled();
    onChange();
  }
}

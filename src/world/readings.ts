import { backoffMs, sleep } from '../backoff.ts';
import type { KubernetesClient } from '../kubernetes/client.ts';
import type { KubernetesObject } from '../kubernetes/objects.ts';
import { Reflector, type ReflectorOptions } from '../kubernetes/reflector.ts';
import type { Resource } from '../kubernetes/resources.ts';
import type { View } from '../kubernetes/view.ts';
import { because, type Judgement } from '../observability/causes.ts';
import { explainError } from '../observability/log.ts';
import type { Context } from './context.ts';

/** Whoever is away may come back at any time, and what waits for that is to be right within 10 s of it. */
const RETRY = { baseMs: 400, maxMs: 5000 };

const UNREAD = 'not read yet';

/** Everything that is read and followed, and what keeps it from being complete and current. */
export class Readings {
  readonly #context: Context;
  readonly #sources = new Map<string, () => string | undefined>();
  readonly #listeners = new Set<() => void>();
  readonly #whyHopeless: (error: unknown) => string | undefined;
  readonly #reflectors: { resume(): Promise<void> }[] = [];
  /** What each kind that is followed has to ask and to tell. */
  readonly following: Pick<ReflectorOptions<KubernetesObject>, 'checkCluster' | 'onReturn'>;

  /**
   * @param cluster whether the API server still is that of our cluster
   * @param whyHopeless what to do where waiting is in vain, in words; undefined where it is not. @default it never is
   */
  constructor(
    context: Context,
    cluster: { check(): Promise<void> },
    whyHopeless: (error: unknown) => string | undefined = () => undefined,
  ) {
    this.#context = context;
    this.#whyHopeless = whyHopeless;
    this.following = {
      checkCluster: () => cluster.check(),
      onReturn: () => {
        for (const listener of this.#listeners) listener();
      },
    };
  }

  /** Told for each kind that is followed again after the API server was away: what failed for want of it may work now. */
  onReturn(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /**
   * One sentence for each source that is not complete or not being followed right now.
   * @param isUnreadMeant also for those whose first answer has not come yet
   */
  failures(isUnreadMeant = true): string[] {
    return this.judgements(isUnreadMeant).flatMap(({ failures }) => failures);
  }

  /** The same of each source, those among them that are well. */
  judgements(isUnreadMeant = true): Judgement[] {
    return [...this.#sources].map(([source, failure]) => {
      const why = failure();
      const isWell = why === undefined || (why.endsWith(UNREAD) && !isUnreadMeant);
      return { source, failures: isWell ? [] : [because(source, why)] };
    });
  }

  add(name: string, failure: () => string | undefined): void {
    this.#sources.set(name, failure);
  }

  remove(name: string): void {
    this.#sources.delete(name);
  }

  /** Starts to follow a kind; resolves with its view when that is complete. */
  reflect<T extends KubernetesObject>(
    client: KubernetesClient,
    resource: Resource<T>,
    scope: { namespace?: string; labelSelector?: string } = {},
  ): Promise<View<T>> {
    const reflector = new Reflector({ client, resource, ...scope, ...this.following, ...this.#context });
    this.add(
      `Kubernetes ${resource.plural}${scope.namespace ? ` in ${scope.namespace}` : ''}${scope.labelSelector ? ` with ${scope.labelSelector}` : ''}`,
      () => reflector.failure,
    );
    this.#reflectors.push(reflector);
    return reflector.synced;
  }

  /** Something else that is to be as new as what `reflect` follows. */
  addResumable(followed: { resume(): Promise<void> }): void {
    this.#reflectors.push(followed);
  }

  /** Resolves when what `reflect` follows is as it was at the call, or newer: a watch may be dead, and nobody was told. */
  async resume(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.resume()));
  }

  /** Asks until there is an answer, with backoff. An error that `isFinal` says waiting would not mend is thrown, and one that is hopeless. */
  async untilRead<T>(
    name: string,
    read: () => Promise<T>,
    isFinal: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    const { log, signal } = this.#context;
    let why: string | undefined = UNREAD;
    this.add(name, () => why);
    for (let failures = 0; ;) {
      try {
        const value = await read();
        why = undefined;
        return value;
      } catch (error) {
        if (isFinal(error) || signal.aborted) throw error;
        why = explainError(error);
        const advice = this.#whyHopeless(error);
        if (advice !== undefined) throw new Error(`${name}: ${why}${advice}`);
        const retryInMs = backoffMs(failures++, RETRY);
        log.warn('not readable, will try again', { source: name, failures, retryInMs: Math.round(retryInMs), error });
        await sleep(retryInMs, signal);
        signal.throwIfAborted();
      }
    }
  }
}

import { backoffMs, sleep } from '../backoff.ts';
import { inBackground } from '../background.ts';
import { followBlockingQuery, type BlockingQueryOptions } from './blocking-query.ts';
import type { ConsulAnswer } from './client.ts';

export interface ListSubscriber<T> {
  /**
   * Takes in a list that was judged; false says that it was no news. When it rejects, the list is asked for again after a backoff, and
   * everybody is told the answer again.
   */
  readonly take: (list: T, index: number) => Promise<boolean | void>;
  /** Told of each failure, and with undefined when answers come again. */
  readonly onFailure: (error: unknown) => void;
  /**
   * How long the list may rest after an answer.
   * @param index of that answer
   * @param costMs what such an answer takes Consul, about
   */
  readonly restMs: (index: number, costMs: number) => number;
}

export interface SharedListOptions<T> extends Pick<
  BlockingQueryOptions,
  | 'client'
  | 'request'
  | 'timeLine'
  | 'perSecond'
  | 'futilePerSecond'
  | 'brake'
  | 'log'
  | 'metrics'
  | 'signal'
  | 'clock'
  | 'random'
> {
  /** What an answer says. @throws when it is not to be believed */
  readonly judge: (answer: ConsulAnswer) => T | Promise<T>;
}

const RETRY = { baseMs: 500, maxMs: 30_000 };

/**
 * A list of Consul's that is followed once, however many want to know: each change anywhere in Consul wakes it, and every answer costs
 * Consul. It rests for as long as all of them allow. It is asked for from the first subscription on.
 */
export class SharedList<T> {
  readonly #options: SharedListOptions<T>;
  readonly #subscribers: ListSubscriber<T>[] = [];
  #latest: { readonly list: T; readonly index: number } | undefined;
  #failure: unknown;
  #rest = new AbortController();

  constructor(options: SharedListOptions<T>) {
    this.#options = options;
  }

  /** For people. */
  get purpose(): string {
    return this.#options.request.purpose;
  }

  /** Whoever comes later is told at once what was told last. */
  subscribe(subscriber: ListSubscriber<T>): void {
    this.#subscribers.push(subscriber);
    if (this.#subscribers.length === 1) inBackground(this.#follow());
    if (this.#failure !== undefined) subscriber.onFailure(this.#failure);
    inBackground(this.#tellLatest(subscriber));
  }

  /** Somebody needs the list sooner than was said after its last answer. */
  endRest(): void {
    if (this.#options.signal.aborted) return;
    this.#rest.abort();
    this.#rest = new AbortController();
  }

  /** Nobody may be about to ask again: who cannot take it in is told the latest until it can. */
  async #tellLatest({ take, onFailure }: ListSubscriber<T>): Promise<void> {
    const { signal, clock, random } = this.#options;
    for (let failures = 0; this.#latest && !signal.aborted; failures++) {
      const { list, index } = this.#latest;
      try {
        await take(list, index);
        if (failures > 0 && this.#failure === undefined) onFailure(undefined);
        return;
      } catch (error) {
        onFailure(error);
        await sleep(backoffMs(failures, { ...RETRY, ...(random && { random }) }), signal, clock);
      }
    }
  }

  #follow(): Promise<void> {
    const { judge, ...query } = this.#options;
    query.signal.addEventListener('abort', () => this.#rest.abort());
    return followBlockingQuery({
      ...query,
      onAnswer: async (answer) => this.#tell(await judge(answer), answer.index),
      onFailure: (error) => {
        this.#failure = error;
        for (const { onFailure } of this.#subscribers) onFailure(error);
      },
      restSignal: () => this.#rest.signal,
      restMs: ({ index }, costMs) => Math.min(...this.#subscribers.map(({ restMs }) => restMs(index, costMs))),
    });
  }

  /** @returns whether it was news to anybody. @throws what the first said who could not take it in, after all were told */
  async #tell(list: T, index: number): Promise<boolean> {
    this.#latest = { list, index };
    const ends = await Promise.allSettled(this.#subscribers.map(async ({ take }) => take(list, index)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return ends.some((end) => end.status === 'fulfilled' && end.value !== false);
  }
}

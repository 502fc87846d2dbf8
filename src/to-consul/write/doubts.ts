import { inBackground } from '../../background.ts';
import { sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import type { Committer } from '../../consul/committer.ts';
import { Failures } from '../../consul/failures.ts';
import type { Log } from '../../observability/log.ts';

/** Full-jitter caps of 0.1, 0.2, 0.4 ... 12.8, 15 s. */
const BACKOFF = { baseMs: 100, maxMs: 15_000 };

export interface DoubtsOptions {
  readonly committer: Pick<Committer, 'settled'>;
  /** @throws Error when what Consul has on these nodes is still not known */
  readonly readAgain: (nodes: ReadonlySet<string>) => Promise<void>;
  /** There is one doubt less: what rested for it may be written. */
  readonly onEnd: () => void;
  readonly log: Log;
  readonly clock: Clock;
}

/** Of one transaction. */
interface Doubt {
  readonly nodes: ReadonlySet<string>;
  readonly keys: ReadonlySet<string>;
  readonly onRead: () => void;
  /** The transaction was applied or never will be. */
  isSettled: boolean;
}

/**
 * Transactions of which nobody knows what became of them. Such a one may not have been applied when Consul is asked, and be
 * applied later: the request may wait in a connection or in a server's queue, and take an instance that is wanted again by
 * then. So its nodes and its keys rest, and others go on:
 *
 * | a transaction                                      | its nodes and keys                                           |
 * |----------------------------------------------------|--------------------------------------------------------------|
 * | may still be applied, see Committer.settled        | nothing is sent for them                                     |
 * | can be applied no more                             | the nodes are read again, which the leader confirms          |
 * | ... and one of these is a node of another like it  | the node is read after that one                              |
 * | its nodes were read                                | are written to, from what was read                           |
 * | ... or cannot be read, or the wait for it failed   | tried again with a backoff; nothing is sent for them         |
 *
 * To read first would be wrong: a removal that is applied after that takes what was read.
 */
export class Doubts {
  readonly #options: DoubtsOptions;
  readonly #doubts = new Set<Doubt>();
  readonly #failures = new Failures(BACKOFF);
  readonly #stop = new AbortController();
  #reading: Promise<void> | undefined;

  constructor(options: DoubtsOptions) {
    this.#options = options;
  }

  /**
   * A transaction with these keys on these nodes may have been applied, or may still be.
   * @param onRead called when it is known what became of it
   */
  add(nodes: Iterable<string>, keys: Iterable<string>, onRead: () => void): void {
    const doubt = { nodes: new Set(nodes), keys: new Set(keys), onRead, isSettled: false };
    this.#doubts.add(doubt);
    this.#options.log.info('nobody knows what became of a transaction: its Consul nodes rest until it is settled', {
      nodes: doubt.nodes.size,
    });
    inBackground(this.#resolve(doubt));
  }

  hasNode(name: string): boolean {
    return [...this.#doubts].some(({ nodes }) => nodes.has(name));
  }

  hasKey(key: string): boolean {
    return [...this.#doubts].some(({ keys }) => keys.has(key));
  }

  /** Waits for nothing any more, and reads nothing. */
  stop(): void {
    this.#stop.abort();
  }

  async #resolve(doubt: Doubt): Promise<void> {
    await this.#untilDone(() => this.#options.committer.settled());
    doubt.isSettled = true;
    while (this.#doubts.has(doubt) && !this.#stop.signal.aborted)
      await (this.#reading ??= this.#untilDone(() => this.#read()).finally(() => (this.#reading = undefined)));
  }

  async #read(): Promise<void> {
    const doubts = [...this.#doubts];
    const settled = doubts.filter(({ isSettled }) => isSettled);
    const open = doubts.filter(({ isSettled }) => !isSettled);
    const isOpen = (node: string) => open.some(({ nodes }) => nodes.has(node));
    const nodes = settled.flatMap((doubt) => [...doubt.nodes]).filter((node) => !isOpen(node));
    await this.#options.readAgain(new Set(nodes));
    for (const doubt of settled) {
      this.#doubts.delete(doubt);
      doubt.onRead();
    }
    this.#options.onEnd();
  }

  async #untilDone(work: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await work();
        return this.#failures.end();
      } catch (error) {
        if (signal.aborted) return;
        const wait = this.#failures.next(error);
        const fields = { retryInMs: Math.round(wait), error };
        log.warn('what became of a transaction could not be found out, its nodes go on resting', fields);
        await sleep(wait, signal, clock);
      }
    }
  }
}

import { backoffMs, sleep } from '../../backoff.ts';
import { systemClock } from '../../clock.ts';
import type { KeyValue } from '../../consul/key-value.ts';
import { FenceOfAnotherCluster } from '../../leadership/fence-errors.ts';
import { explainError, type Log } from '../../observability/log.ts';
import type { Writes } from '../../writes.ts';

/** Of taking the fence when writes are switched on: full-jitter caps of 0.5, 1, 2, 4, 5 s. */
const BACKOFF = { baseMs: 500, maxMs: 5000 };

export interface FenceTakingOptions {
  /** Takes the fence, and follows it from then on. */
  readonly take: () => Promise<void>;
  readonly writes: Writes;
  /** Told of what waiting would not mend. */
  readonly onLost: (error: Error) => void;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Takes the fence once: at the start, or where writes are off then, when they are switched on. */
export class FenceTaking {
  readonly #options: FenceTakingOptions;
  #isTaken = false;
  #failure: string | undefined;

  constructor(options: FenceTakingOptions) {
    this.#options = options;
  }

  /** Why it could not be taken when writes were switched on. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** While writes are off the fence stays where it is. @throws as `take` */
  async begin(): Promise<void> {
    const { take, writes } = this.#options;
    if (this.#isTaken || writes.off) return;
    await take();
    this.#isTaken = true;
  }

  /** Writes are about to be switched on: resolves when the fence is taken, or nobody wants it any more. */
  async prepare(): Promise<void> {
    const { writes, onLost, log, signal } = this.#options;
    for (let failures = 0; !this.#isTaken && !writes.off && !signal.aborted; failures++) {
      try {
        await this.begin();
        this.#failure = undefined;
      } catch (error) {
        if (error instanceof FenceOfAnotherCluster) return onLost(error);
        this.#failure = explainError(error);
        log.warn('cannot take the fence to write again, will try again', { error });
        await sleep(backoffMs(failures, BACKOFF), signal, systemClock);
      }
    }
  }
}

/** The key of the fence is a write like any other. */
export function switched(keyValue: KeyValue, writes: Writes): KeyValue {
  return {
    read: (key) => keyValue.read(key),
    async swap(...request) {
      writes.assertFence();
      return keyValue.swap(...request);
    },
    async remove(...request) {
      writes.assertFence();
      return keyValue.remove(...request);
    },
  };
}

import { systemClock, type Clock } from '../clock.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Direction, Metrics } from '../observability/metrics.ts';
import type { DirectionState } from '../observability/state-gauges.ts';
import { isWritesOff } from '../writes.ts';
import { WorkQueue, type WorkQueueOptions } from './work-queue.ts';

export interface ControllerOptions {
  readonly direction: Direction;
  /** Makes the world right for one key, from the latest state; throws when that did not work out and is worth another try. */
  readonly reconcile: (key: string) => Promise<void>;
  readonly concurrency: number;
  /**
   * True for errors that say that somebody has to give us a right, which are told as rejections: trying again soon mends nothing.
   * @default none is
   */
  readonly isLackOfRights?: ((error: unknown) => boolean) | undefined;
  /** True for errors that say "somebody else was faster": normal life, not worth a warning. */
  readonly isRace: (error: unknown) => boolean;
  readonly brake: WorkQueueOptions['brake'];
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'reconciles' | 'changeToWritten'>;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface ControllerStatus {
  readonly waiting: number;
  readonly busy: number;
  readonly failing: Readonly<Record<string, string>>;
  /** Keys for which there is something to write, and writes are off. */
  readonly unwritten: number;
}

/** What a controller knows of the state of its direction. */
export type ControllerState = Pick<DirectionState, 'failing' | 'waiting' | 'oldestWaitingMs' | 'lastSuccess'>;

/** From this many failures in a row a key is worth an error, before that a warning. */
const PERSISTENT_FAILURES = 5;
/** The first tries of a key follow each other so quickly that all of these say the same: one of them is told. */
const ONE_WARNING_MS = 2000;

/** A right that is missing is there when somebody gives it: after 30 s, 1, 2, 4, 8, 10, 10 ... min. */
const RIGHTS_RETRY = { firstMs: 30_000, longestMs: 10 * 60_000 };

interface Failing {
  readonly why: string;
  readonly sinceMs: number;
  readonly isTold: boolean;
}

/**
 * One direction's loop: keys in, reconciled keys out. Errors of a key are judged here and nowhere below;
 * endless loops judge their own. Any error means "this key again, later"; none ends the process.
 *
 * | a key                                    | in the log                     |
 * |------------------------------------------|--------------------------------|
 * | lost a race, less than 5 times in a row  | debug                          |
 * | fails for less than 2 s, the first time  | a warning                      |
 * | fails for less than 2 s, again           | debug                          |
 * | fails for longer                         | a warning, from 5 on an error  |
 * | fails for want of a right                | debug: what is rejected tells it. The key is tried after 30 s, 1 min, ... at most 10 min |
 * | could not be written as writes are off   | nothing, and it is no failure: whoever switches them on has all keys looked at |
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #failing = new Map<string, Failing>();
  readonly #unwritten = new Set<string>();
  /** When keys were written last that are being reconciled, or that failed after that. */
  readonly #writtenAt = new Map<string, number>();
  readonly #clock: Clock;
  #lastSuccess: Date | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#queue = new WorkQueue({
      process: (key, seenAt) => this.#process(key, seenAt),
      onFailure: (key, error, failures, retryInMs) => this.#judge(key, error, failures, retryInMs),
      retryAfterMs: (error, failures) => (options.isLackOfRights?.(error) ? slowRetryMs(failures) : undefined),
      concurrency: options.concurrency,
      brake: options.brake,
      clock: this.#clock,
    });
  }

  /** How many keys wait, how many are being reconciled, and those whose last try failed with the reason. */
  get status(): ControllerStatus {
    return {
      waiting: this.#queue.depth,
      busy: this.#queue.running,
      failing: Object.fromEntries([...this.#failing].slice(0, 100).map(([key, { why }]) => [key, why])),
      unwritten: this.#unwritten.size,
    };
  }

  /** The same for metrics, all of it in numbers. */
  get state(): ControllerState {
    return {
      failing: this.#failing.size,
      waiting: this.#queue.depth,
      oldestWaitingMs: this.#queue.oldestWaitingMs,
      lastSuccess: this.#lastSuccess,
    };
  }

  /** All keys whose last try failed, with the reason. */
  *failing(): Generator<readonly [key: string, why: string]> {
    for (const [key, { why }] of this.#failing) yield [key, why];
  }

  enqueue(key: string): void {
    this.#queue.add(key);
  }

  /** Looks at these keys when nothing else waits: what changes meanwhile goes first. */
  enqueueInBackground(keys: Iterable<string>): void {
    this.#queue.addInBackground(keys);
  }

  /** Looks at the key, unless it waits for its retry, which finds out as well. */
  remind(key: string): void {
    this.#queue.remind(key);
  }

  /** A system took something that was written for the key, which is being reconciled. */
  written(key: string): void {
    this.#writtenAt.set(key, this.#clock.now());
  }

  enqueueAfter(key: string, ms: number): void {
    this.#queue.addAfter(key, ms);
  }

  /** What keys failed for may be over: those that failed are looked at again. */
  lookAgain(): void {
    this.#queue.lookAgain();
  }

  drain(limitMs: number): Promise<boolean> {
    return this.#queue.drain(limitMs);
  }

  async #process(key: string, seenAt: number | undefined): Promise<void> {
    const { direction, metrics, reconcile } = this.#options;
    const isWritten = await reconcile(key).then(() => true, orWhileOff);
    this.#unwritten[isWritten ? 'delete' : 'add'](key);
    this.#failing.delete(key);
    metrics.reconciles.inc({ direction, outcome: isWritten ? 'done' : 'off' });
    if (isWritten) this.#lastSuccess = this.#clock.date();
    this.#timeChange(key, seenAt);
  }

  /** Once the key is as it should be: what was written before a failure of the same run was not all of it. */
  #timeChange(key: string, seenAt: number | undefined): void {
    const writtenAt = this.#writtenAt.get(key);
    if (writtenAt === undefined) return;
    this.#writtenAt.delete(key);
    // What was written before the event, in a run that failed then, was not for it.
    if (seenAt === undefined || writtenAt < seenAt) return;
    const { direction, metrics } = this.#options;
    metrics.changeToWritten.observe({ direction }, (writtenAt - seenAt) / 1000);
  }

  #judge(key: string, error: unknown, failures: number, retryInMs: number): void {
    const { direction, isRace, log, metrics } = this.#options;
    const now = this.#clock.now();
    const { sinceMs, isTold } = this.#failing.get(key) ?? { sinceMs: now, isTold: false };
    const fields = { direction, key, failures, retryInMs: Math.round(retryInMs), error };
    const lacksRights = this.#options.isLackOfRights?.(error) === true;
    const isLostRace = failures < PERSISTENT_FAILURES && isRace(error);
    this.#failing.set(key, { why: explainError(error), sinceMs, isTold: isTold || !isLostRace });
    metrics.reconciles.inc({ direction, outcome: isLostRace ? 'race' : 'failed' });
    if (isLostRace) return log.debug('lost a race, will look again', fields);
    if (lacksRights) return log.debug(WILL_TRY_AGAIN, fields);
    const isFirst = now - sinceMs < ONE_WARNING_MS;
    if (isFirst && isTold) log.debug(WILL_TRY_AGAIN, fields);
    else if (isFirst || failures < PERSISTENT_FAILURES) log.warn(WILL_TRY_AGAIN, fields);
    else log.error('reconciling keeps failing', fields);
  }
}

function slowRetryMs(failures: number): number {
  return Math.min(RIGHTS_RETRY.longestMs, RIGHTS_RETRY.firstMs * 2 ** (failures - 1));
}

/** @returns false when writes are off @throws any other error */
function orWhileOff(error: unknown): false {
  if (isWritesOff(error)) return false;
  throw error;
}

const WILL_TRY_AGAIN = 'reconciling failed, will try again';

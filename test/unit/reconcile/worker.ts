import { WorkQueue, type WorkQueueOptions } from '../../../src/reconcile/work-queue.ts';
import { NO_BRAKE } from '../brake.ts';

interface Run {
  readonly key: string;
  readonly succeed: () => void;
  readonly fail: () => void;
}

export interface Failure {
  readonly key: string;
  readonly failures: number;
  readonly retryInMs: number;
}

/** A work queue whose runs begin by themselves and end when the test says so. */
export class Worker {
  readonly queue: WorkQueue;
  /** Keys in the order in which their runs began. */
  readonly began: string[] = [];
  readonly failed: Failure[] = [];
  readonly #runs: Run[] = [];
  #waiting: ((run: Run) => void) | undefined;
  #told: () => void = () => undefined;

  constructor(
    concurrency = 1,
    onFailure: (key: string) => void = () => undefined,
    more: Partial<Pick<WorkQueueOptions, 'brake' | 'clock'>> = {},
  ) {
    this.queue = new WorkQueue({
      brake: NO_BRAKE,
      ...more,
      concurrency,
      process: (key) =>
        new Promise((resolve, reject) => {
          this.began.push(key);
          this.#runs.push({ key, succeed: resolve, fail: () => reject(new Error(`no luck with ${key}`)) });
          this.#hand();
        }),
      onFailure: (key, _error, failures, retryInMs) => {
        this.failed.push({ key, failures, retryInMs });
        onFailure(key);
        this.#told();
      },
    });
  }

  /** The next run that began and that nobody asked for yet; waits for it. */
  next(): Promise<Run> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#hand();
    });
  }

  /** Ends the run with a failure; resolves before the clock can bring the key back. */
  fail(run: Run): Promise<void> {
    return new Promise((resolve) => {
      this.#told = resolve;
      run.fail();
    });
  }

  #hand(): void {
    const run = this.#waiting && this.#runs.shift();
    if (!run) return;
    this.#waiting?.(run);
    this.#waiting = undefined;
  }
}

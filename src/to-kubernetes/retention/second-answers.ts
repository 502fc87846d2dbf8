import PQueue from 'p-queue';
import { inBackground } from '../../background.ts';
import { backoffMs, sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import { NotBelieved } from '../../consul/absence.ts';
import type { Log } from '../../observability/log.ts';
import type { RetryBrake } from '../../retry-brake.ts';

/** Of so many services at a time: each answer has to be confirmed by the leader of Consul. */
const CONCURRENCY = 4;
/** What could not be asked is asked again within half the time that a second answer has, */
const LONGEST_WAIT = 1 / 2;
/** and at first within a thirtieth: of 30 s a second. */
const FIRST_WAIT = 1 / 30;

export interface SecondAnswersOptions {
  /** How long after an answer the second one decides, in milliseconds. */
  readonly secondMs: number;
  /** When the next answer about a service decides something; undefined when nothing is missing. */
  readonly dueMs: (name: string) => number | undefined;
  /** Whether Consul has to be asked: nothing of the service is retained else, and what is known of it decides. */
  readonly isAsked: (name: string) => boolean;
  /** Asks Consul about a service, so that the leader confirms the answer. */
  readonly ask: (name: string) => Promise<void>;
  /** What the service does not have is gone, if it was due at that time. */
  readonly decide: (name: string, askedMs: number) => void;
  /** Holds back what is asked again after a failure. */
  readonly brake: Pick<RetryBrake, 'turn' | 'giveBack'>;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Has the second answer about each service asked for when it is time: about a few services at once, however many there are.
 * Where there is none it is asked for again, after a backoff and when the brake lets it, until there is one. The log warns of
 * the first failure, and again when there was an answer about each service that failed.
 */
export class SecondAnswers {
  readonly #options: SecondAnswersOptions;
  readonly #queue = new PQueue({ concurrency: CONCURRENCY });
  /** Services that wait for their time, or their answer. */
  readonly #waiting = new Set<string>();
  readonly #failed = new Set<string>();

  constructor(options: SecondAnswersOptions) {
    this.#options = options;
  }

  /** Something of the service may be missing, or not any more. */
  arrange(name: string): void {
    const { dueMs, signal } = this.#options;
    const due = dueMs(name);
    if (due === undefined || this.#waiting.has(name) || signal.aborted) return;
    this.#waiting.add(name);
    inBackground(
      this.#untilDecided(name, due).then(() => {
        this.#waiting.delete(name);
        this.#failed.delete(name);
        this.arrange(name);
      }),
    );
  }

  async #untilDecided(name: string, dueMs: number): Promise<void> {
    const { isAsked, brake, signal, clock } = this.#options;
    await sleep(Math.max(1, dueMs - clock.now()), signal, clock);
    for (let failures = 0; !signal.aborted; failures++) {
      const isWanted = () => !signal.aborted && isAsked(name);
      if (failures > 0) await brake.turn({ failures, isWanted });
      const isAsking = isWanted();
      try {
        await (isAsking ? this.#queue.add(() => this.#decide(name)) : this.#decide(name));
        if (isAsking && failures > 0) brake.giveBack();
        return;
      } catch (error) {
        await sleep(this.#waitMs(error, failures), signal, clock);
      }
    }
  }

  async #decide(name: string): Promise<void> {
    const { isAsked, ask, decide, log, signal, clock } = this.#options;
    const askedMs = clock.now();
    try {
      if (isAsked(name) && !signal.aborted) await ask(name);
      if (!signal.aborted) decide(name, askedMs);
    } catch (error) {
      log[this.#failed.size === 0 ? 'warn' : 'debug'](
        'what is missing from Consul could not be asked for again, it stays',
        { service: name, error },
      );
      this.#failed.add(name);
      throw error;
    }
  }

  #waitMs(error: unknown, failures: number): number {
    const { secondMs } = this.#options;
    const backoff = backoffMs(failures, { baseMs: secondMs * FIRST_WAIT, maxMs: secondMs * LONGEST_WAIT });
    return (error instanceof NotBelieved ? error.inMs : undefined) ?? backoff;
  }
}

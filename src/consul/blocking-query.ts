import { sleep } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RetryBrake } from '../retry-brake.ts';
import type { ConsulAnswer, ConsulReader, ConsulRequest } from './client.ts';
import { TokenChanged } from './errors.ts';
import { Failures } from './failures.ts';
import { createPace } from './pace.ts';
import { PEACE_MS, type AnswerTimes } from './time-line.ts';

/** A little longer than `PEACE_MS`. */
const WAIT_SECONDS = 30;
/** Consul adds up to 1/16 of the wait as jitter: 30 s become at most 31.9 s. */
const DEADLINE_MS = 34_000;
const BACKOFF = { baseMs: 400, maxMs: 30_000 };
/** Of a question that rests by its cost, one in so many does not wait, and so measures it. */
const MEASURE_EVERY = 20;

export interface BlockingQueryOptions {
  readonly client: ConsulReader;
  readonly request: Omit<ConsulRequest, 'signal' | 'timeoutMs'>;
  /**
   * Judges and takes in an answer that may be news; false says that it was no news after all. An error that it throws
   * counts as a failed read: the index stays, and the same question is asked again after a backoff.
   */
  readonly onAnswer: (answer: ConsulAnswer) => Outcome | Promise<Outcome>;
  /** Told of each failure, and with undefined when answers come again. */
  readonly onFailure?: (error: unknown) => void;
  /** Told when a rest begins and ends, in which no change is noticed: after a failure, and after too many answers without news. */
  readonly onPause?: (paused: boolean) => void;
  /** The index of the newest answer that was believed, where other reads ask for the same; 0 when there is no answer yet. */
  readonly newestIndex?: () => number;
  /** Told of what the times of answers say about Consul. */
  readonly timeLine: AnswerTimes;
  /** Answers a second, on average; a burst is let through. A catalog that churns must not make us spin. */
  readonly perSecond: number;
  /** Answers a second that are no news, on average, after a burst. @default perSecond */
  readonly futilePerSecond?: number;
  /**
   * How long to rest after an answer that was taken in. @default not at all
   * @param costMs what such an answer takes Consul, about
   */
  readonly restMs?: ((answer: ConsulAnswer, costMs: number) => number) | undefined;
  /** Of a rest that begins now: aborts when the question is wanted before the rest is over. */
  readonly restSignal?: () => AbortSignal;
  /** A question that failed waits here too before it is asked again. */
  readonly brake: Pick<RetryBrake, 'turn' | 'giveBack'>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** @default the machine's */
  readonly clock?: Clock;
  /** @default Math.random */
  readonly random?: () => number;
}

type Outcome = boolean | undefined | void;

/**
 * Follows one Consul endpoint by blocking queries until the signal aborts:
 * - the index of the last good answer goes into the next question; Consul answers when it moves or the wait is over;
 * - an index that did not move is no news and is not passed on; before the end of the wait it is a sign that Consul gave up the
 *   state that it had, and the next question has no index;
 * - an index that went back (a restored snapshot, another server) starts over from 0, where everything is news;
 * - a question that waits while its token is replaced is asked again at once with the new one;
 * - after a failure the question does not wait: a Consul that came back with less than it had would keep it waiting;
 * - an answer without an index would make the next question return at once, so it is asked again at the slowest rate.
 * Source: Consul's documentation of blocking queries, "Implementation Details".
 */
export async function followBlockingQuery(options: BlockingQueryOptions): Promise<void> {
  const { client, request, onAnswer, onFailure, timeLine, brake, log, metrics, signal } = options;
  const { clock = systemClock, random } = options;
  const pace = createPace(options.perSecond, () => clock.now());
  const futile = createPace(options.futilePerSecond ?? options.perSecond, () => clock.now());
  const newest = options.newestIndex ?? (() => 0);
  const retries = new Failures({ ...BACKOFF, ...(random ? { random } : {}) });
  /** What an answer takes Consul, as far as it is known; and how many came since it was measured. */
  let [costMs, measuredMs] = [0, 0];
  let unmeasured = 0;
  let index = newest();
  for (let failures = 0; !signal.aborted;) {
    await sleep(pace.wait(), signal, clock);
    if (signal.aborted) return;
    try {
      if (index > 0) index = Math.max(index, newest());
      const blocking: Record<string, string> =
        index > 0 && failures === 0 && !isToMeasure() ? { index: String(index), wait: `${WAIT_SECONDS}s` } : {};
      const askedAt = clock.now();
      const answer = await client.get({
        ...request,
        query: { ...request.query, ...blocking },
        timeoutMs: DEADLINE_MS,
        signal,
      });
      if ('index' in blocking) unmeasured++;
      else {
        // One answer that took long may have met a busy moment: only two in a row tell of a large catalog.
        const tookMs = clock.now() - askedAt;
        unmeasured = tookMs > measuredMs ? MEASURE_EVERY : 0;
        [costMs, measuredMs] = [Math.min(tookMs, measuredMs), tookMs];
      }
      const isEarly = 'index' in blocking && answer.index === index && clock.now() - askedAt < PEACE_MS;
      if (isEarly) timeLine.early(request.purpose);
      const moved = answer.index !== index || index === 0;
      const isNews = moved && (await onAnswer(answer)) !== false;
      index = isEarly || answer.index < index ? 0 : answer.index;
      if (failures > 0) {
        timeLine.answeredAgain();
        onFailure?.(undefined);
        retries.end();
        brake.giveBack();
      }
      failures = 0;
      if (!isNews) await pause(futile.wait());
      await sleep(options.restMs?.(answer, costMs) ?? 0, options.restSignal?.() ?? signal, clock);
      if (answer.index === 0) await sleep(1000, signal, clock);
    } catch (error) {
      if (signal.aborted) return;
      // The same question goes on: the index is still that of the last answer.
      if (error instanceof TokenChanged) continue;
      timeLine.failed();
      metrics.watchFailures.inc({ source: 'consul' });
      log.warn('blocking query failed, will ask again', { query: request.purpose, failures: failures + 1, error });
      onFailure?.(error);
      failures++;
      options.onPause?.(true);
      await sleep(retries.next(error), signal, clock);
      await brake.turn({ failures: 0, isWanted: () => !signal.aborted });
      options.onPause?.(false);
    }
  }

  /** An answer that waited for a change says nothing of what it cost. */
  function isToMeasure(): boolean {
    return options.restMs !== undefined && unmeasured >= MEASURE_EVERY;
  }

  async function pause(ms: number): Promise<void> {
    if (ms === 0) return;
    options.onPause?.(true);
    await sleep(ms, signal, clock);
    options.onPause?.(false);
  }
}

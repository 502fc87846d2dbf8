import { backoffMs, sleep } from '../backoff.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ConsulAnswer, ConsulClient, ConsulRequest } from './client.ts';

const WAIT_SECONDS = 30;
/** Consul adds up to 1/16 of the wait as jitter: 30 s become at most 31.9 s. */
const DEADLINE_MS = 34_000;
const BACKOFF = { baseMs: 400, maxMs: 30_000 };

export interface BlockingQueryOptions {
  readonly client: ConsulClient;
  readonly request: Omit<ConsulRequest, 'signal' | 'timeoutMs'>;
  /**
   * Judges and takes in an answer that may be news. An error it throws counts as a failed read: the index stays, and
   * the same question is asked again after a backoff.
   */
  readonly onAnswer: (answer: ConsulAnswer) => void | Promise<void>;
  /** Told of each failure, and with undefined that answers come again. */
  readonly onFailure?: (error: unknown) => void;
  /** Answers a second, on average; a burst of 10 is let through. A catalog that churns must not make us spin. */
  readonly perSecond: number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/**
 * Follows one Consul endpoint by blocking queries until the signal aborts:
 * - the index of the last good answer goes into the next question; Consul answers when it moves or the wait is over;
 * - an index that did not move is no news and is not passed on;
 * - an index that went back (a restored snapshot, another server) starts over from 0, where everything is news;
 * - after a failure the question does not wait: a Consul that came back with less than it had would keep it waiting;
 * - an answer without an index would make the next question return at once, so it is asked again at the slowest rate.
 * Source: Consul's documentation of blocking queries, "Implementation Details".
 */
export async function followBlockingQuery(options: BlockingQueryOptions): Promise<void> {
  const { client, request, onAnswer, onFailure, log, metrics, signal } = options;
  const pace = createPace(options.perSecond);
  let index = 0;
  for (let failures = 0; !signal.aborted;) {
    await sleep(pace.wait(), signal);
    if (signal.aborted) return;
    try {
      const blocking: Record<string, string> =
        index > 0 && failures === 0 ? { index: String(index), wait: `${WAIT_SECONDS}s` } : {};
      const answer = await client.get({
        ...request,
        query: { ...request.query, ...blocking },
        timeoutMs: DEADLINE_MS,
        signal,
      });
      const moved = answer.index !== index || index === 0;
      if (moved) await onAnswer(answer);
      index = answer.index < index ? 0 : answer.index;
      if (failures > 0) onFailure?.(undefined);
      failures = 0;
      if (answer.index === 0) await sleep(1000, signal);
    } catch (error) {
      if (signal.aborted) return;
      metrics.watchFailures.inc({ source: 'consul' });
      log.warn('blocking query failed, will ask again', { query: request.purpose, failures: failures + 1, error });
      onFailure?.(error);
      await sleep(backoffMs(failures++, BACKOFF), signal);
    }
  }
}

const BURST = 10;

/** A token bucket: how long to wait before the next question. */
function createPace(perSecond: number) {
  let tokens = BURST;
  let at = performance.now();
  return {
    wait(): number {
      const now = performance.now();
      tokens = Math.min(BURST, tokens + ((now - at) / 1000) * perSecond);
      at = now;
      tokens -= 1;
      return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000;
    },
  };
}

import { backoffMs } from '../backoff.ts';
import { followBlockingQuery, type BlockingQueryOptions } from '../consul/blocking-query.ts';
import { decodeHealthState, healthStateRequest, nodesRequest } from '../consul/catalog.ts';
import type { ConsulAnswer, ConsulClient } from '../consul/client.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { META, type Owner } from '../reconcile/mark.ts';
import type { ForeignInstances } from './foreign.ts';
import { ClusterIdentityError, type OwnCatalog } from './observed.ts';

/** A burst of wakes is one look; while others keep changing the catalog, looks become rarer. */
const FIRST_LOOK_MS = 250;
const OWN_LOOK_MS = 10_000;
const SHORTEST_GAP_MS = 5000;
const LONGEST_GAP_MS = 30_000;

export interface DriftOptions {
  readonly client: ConsulClient;
  readonly owner: Owner;
  readonly own: OwnCatalog;
  readonly foreign: ForeignInstances;
  /** Pods for which Consul has something else than we wrote. */
  readonly onDrift: (podKeys: Iterable<string>) => void;
  /** Told what cannot be followed and why; with undefined that it can again. */
  readonly onFailure: (what: string, error: unknown) => void;
  /** Told of each look that was completed. */
  readonly onLook: () => void;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

/**
 * Notices that somebody else changed or removed what is ours. It costs nothing while nothing happens; the catalog has no
 * anti-entropy for us, so what is not repaired here stays broken.
 * - The list of services and the list of our nodes are followed by blocking queries. A wake that is not our own commit is
 *   answered by reading our nodes again soon; so is an index that went back, because then Consul was restored or replaced
 *   and knows nothing of our last commits. A wake that is our own commit is answered late: it may hide another's.
 * - The lists of critical and of warning checks are followed too, and tell without another read on which of our nodes a
 *   check is not as we wrote it.
 */
export function followDrift(options: DriftOptions): void {
  const { owner, own, foreign } = options;
  const look = createLook(options);
  const follow = (request: BlockingQueryOptions['request'], onAnswer: BlockingQueryOptions['onAnswer']) => {
    const onFailure = (error: unknown) => options.onFailure(request.purpose, error);
    void followBlockingQuery({ ...options, request, onAnswer, onFailure, perSecond: 2 });
  };
  const followed = [
    { request: foreign.request, take: (answer: ConsulAnswer) => foreign.takeNames(answer) },
    { request: nodesRequest(META.cluster, owner.cluster), take: () => undefined },
  ];
  for (const { request, take } of followed) {
    let previous = 0;
    follow(request, (answer) => {
      const { index } = answer;
      take(answer);
      if (index < previous) own.forgetCommits();
      if (previous > 0) look(index < previous || index > own.lastCommit);
      previous = index;
    });
  }
  for (const status of ['critical', 'warning'] as const) {
    const request = healthStateRequest(status);
    follow(request, async (answer) => {
      const listed = new Set(
        [...decodeHealthState(answer, request.purpose).keys()].map((check) => check.toLowerCase()),
      );
      for (const node of own.nodesWithOtherChecks(status, listed)) options.onDrift(await own.refresh(node));
    });
  }
}

const LOOK = 'read our Consul nodes again';

/** Asks for a look at our nodes; looks keep their distance from each other. */
function createLook({ own, onDrift, onFailure, onLook, log, signal }: DriftOptions): (isForeign: boolean) => void {
  let timer: NodeJS.Timeout | undefined;
  let plannedAt = Infinity;
  let looking = false;
  /** A wake during the look, and whether one was foreign. */
  let again: boolean | undefined;
  let lookedAt = -Infinity;
  let gapMs = SHORTEST_GAP_MS;
  let failures = 0;

  function soon(isForeign: boolean): void {
    // What changed may be on a node that the running look has passed already.
    if (looking) again = again === true || isForeign;
    if (looking || signal.aborted) return;
    const now = performance.now();
    // A wake that is our own commit may hide another's just before it: that can wait, but not for ever.
    const wait = isForeign
      ? Math.max(FIRST_LOOK_MS, lookedAt + gapMs - now)
      : Math.max(OWN_LOOK_MS, lookedAt + LONGEST_GAP_MS - now);
    if (isForeign) gapMs = wait > FIRST_LOOK_MS ? Math.min(LONGEST_GAP_MS, gapMs * 2) : SHORTEST_GAP_MS;
    start(wait);
  }

  /** At that time, or earlier if that was planned already. */
  function start(wait: number): void {
    const at = performance.now() + wait;
    if (timer && plannedAt <= at) return;
    clearTimeout(timer);
    plannedAt = at;
    timer = setTimeout(() => void look(), wait);
    timer.unref();
  }

  async function look(): Promise<void> {
    timer = undefined;
    looking = true;
    again = undefined;
    let retryInMs: number | undefined;
    try {
      const touched = await own.refreshAll();
      if (failures > 0) onFailure(LOOK, undefined);
      failures = 0;
      if (touched.size > 0)
        log.info('Consul has something else than was written, looking at it', { pods: touched.size });
      onDrift(touched);
      onLook();
    } catch (error) {
      if (signal.aborted) return;
      retryInMs = backoffMs(failures++, { baseMs: 1000, maxMs: LONGEST_GAP_MS });
      const message =
        error instanceof ClusterIdentityError
          ? 'another installation uses this cluster name'
          : 'our Consul nodes could not be read again';
      onFailure(LOOK, error);
      log.error(message, { failures, retryInMs: Math.round(retryInMs), error });
    }
    looking = false;
    lookedAt = performance.now();
    if (retryInMs !== undefined) start(retryInMs);
    else if (again !== undefined) soon(again);
  }

  return soon;
}

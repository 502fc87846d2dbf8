import { backoffMs } from '../../backoff.ts';
import { followBlockingQuery, type BlockingQueryOptions } from '../../consul/blocking-query.ts';
import { decodeHealthState, healthStateRequest, nodesRequest } from '../../consul/catalog.ts';
import type { ConsulAnswer, ConsulClient } from '../../consul/client.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { META, type Owner } from '../../mark.ts';
import { ClusterIdentityError } from '../identity/cluster-identity.ts';
import type { ForeignInstances } from './foreign-instances.ts';
import type { OwnCatalog } from './own-catalog.ts';

/** How looks at our nodes keep their distance from each other. */
export interface LookPace {
  /** So long after the first wake of a burst: the burst is one look. */
  readonly firstMs: number;
  /** While wakes go on, whoever causes them, looks are as far apart, so that what they hide is repaired within 10 s. */
  readonly gapMs: number;
  /** A look that takes long is followed by a gap of so many times as long, */
  readonly gapInLooks: number;
  /** but of no more than this. */
  readonly longestGapMs: number;
}

/** A look is mostly waiting for answers; a seventh of it is our own CPU. So it takes at most 3 % of a core, however large we are. */
const LOOK_PACE: LookPace = { firstMs: 250, gapMs: 8000, gapInLooks: 5, longestGapMs: 30_000 };

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
  /** @default LOOK_PACE */
  readonly pace?: LookPace | undefined;
}

/**
 * Notices that somebody else changed or removed what is ours. It costs nothing while nothing happens; the catalog has no
 * anti-entropy for us, so what is not repaired here stays broken.
 * - The list of services and the list of our nodes are followed by blocking queries. Each wake is answered by a look at our
 *   nodes: soon when it is not our own commit, else later, because it may hide another's. So is the first answer: something
 *   may have changed since our nodes were read.
 * - An index that went back, or answers that come again after failures, may be of a Consul that was restored or replaced: then
 *   no index means anything any more, and all is read.
 * - The lists of critical and of warning checks are followed too, and tell without another read on which of our nodes a
 *   check is not as we wrote it.
 */
export function followDrift(options: DriftOptions): void {
  const { owner, own, foreign } = options;
  const look = createLook(options);
  const follow = (
    request: BlockingQueryOptions['request'],
    onAnswer: BlockingQueryOptions['onAnswer'],
    onRecovery: () => void = () => undefined,
  ) => {
    const onFailure = (error: unknown) => {
      options.onFailure(request.purpose, error);
      if (error === undefined) onRecovery();
    };
    void followBlockingQuery({ ...options, request, onAnswer, onFailure, perSecond: 2 });
  };
  const distrust = () => {
    own.forgetIndexes();
    look(true);
  };
  const followed = [
    { request: foreign.request, take: (answer: ConsulAnswer) => foreign.takeNames(answer) },
    { request: nodesRequest(META.cluster, owner.cluster), take: () => undefined },
  ];
  for (const { request, take } of followed) {
    let previous = 0;
    const onAnswer = (answer: ConsulAnswer) => {
      const { index } = answer;
      take(answer);
      if (index < previous) distrust();
      else look(previous > 0 && !own.isOurDoing(index));
      previous = index;
    };
    follow(request, onAnswer, distrust);
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
function createLook(options: DriftOptions): (isForeign: boolean) => void {
  const { own, onDrift, onFailure, onLook, log, signal, pace = LOOK_PACE } = options;
  let timer: NodeJS.Timeout | undefined;
  let plannedAt = Infinity;
  let looking = false;
  /** A wake during the look, and whether one was foreign. */
  let again: boolean | undefined;
  let lookedAt = -Infinity;
  let gapMs = 0;
  let failures = 0;

  function soon(isForeign: boolean): void {
    // What changed may be on a node that the running look has passed already.
    if (looking) again = again === true || isForeign;
    if (looking || signal.aborted) return;
    const untilNext = lookedAt + gapMs - performance.now();
    // A wake that is our own commit may hide another's just before it: that can wait, but not for ever.
    start(Math.max(isForeign ? pace.firstMs : pace.gapMs, untilNext));
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
    const startedAt = performance.now();
    let retryInMs: number | undefined;
    try {
      const isComplete = await own.look((podKeys) => {
        if (podKeys.size > 0)
          log.info('Consul has something else than was written, looking at it', { pods: podKeys.size });
        onDrift(podKeys);
      });
      if (!isComplete) again ??= false;
      if (failures > 0) onFailure(LOOK, undefined);
      failures = 0;
      onLook();
    } catch (error) {
      if (signal.aborted) return;
      retryInMs = backoffMs(failures++, { baseMs: 1000, maxMs: pace.longestGapMs });
      const message =
        error instanceof ClusterIdentityError
          ? 'another installation uses this cluster name'
          : 'our Consul nodes could not be read again';
      onFailure(LOOK, error);
      log.error(message, { failures, retryInMs: Math.round(retryInMs), error });
    }
    looking = false;
    lookedAt = performance.now();
    gapMs = Math.min(pace.longestGapMs, Math.max(pace.gapMs, pace.gapInLooks * (lookedAt - startedAt)));
    if (retryInMs !== undefined) start(retryInMs);
    else if (again !== undefined) soon(again);
  }

  return soon;
}

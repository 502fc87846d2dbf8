import type { BlockingQueryOptions } from '../../consul/blocking-query.ts';
import {
  decodeHealthState,
  decodeServiceNames,
  healthStateRequest,
  nodesRequest,
  SERVICES_REQUEST,
} from '../../consul/catalog.ts';
import type { ConsulAnswer } from '../../consul/client.ts';
import type { Distrust } from '../../consul/distrust.ts';
import { restAfter } from '../../consul/rest.ts';
import type { TimeLine } from '../../consul/time-line.ts';
import { META, type Owner } from '../../mark.ts';
import type { RetryBrake } from '../../retry-brake.ts';
import { Looks, type LooksOptions } from './looks.ts';
import type { OwnCatalog } from './own-catalog.ts';

/** Follows one endpoint of Consul by blocking queries until the signal aborts. */
export type Follow = (
  query: Required<Pick<BlockingQueryOptions, 'request' | 'onAnswer' | 'onFailure' | 'perSecond'>> &
    Pick<BlockingQueryOptions, 'restMs'>,
) => void;

/** Reads of a node: all that is on it, and the state of its checks. */
const READS_OF_A_NODE = 2;

export interface DriftOptions extends Pick<LooksOptions, 'onLook' | 'log' | 'signal' | 'pace' | 'clock'> {
  readonly owner: Owner;
  readonly own: Pick<
    OwnCatalog,
    'look' | 'refresh' | 'isOurDoing' | 'onCommit' | 'forgetIndexes' | 'nodesWithOtherChecks'
  >;
  readonly timeLine: Pick<TimeLine, 'takeNamesIndex'>;
  readonly distrust: Pick<Distrust, 'subscribe'>;
  readonly follow: Follow;
  /** Lists that say the same again and again have our nodes read no more often than what failed. */
  readonly brake: Pick<RetryBrake, 'tryTake'>;
  /** Pods for which Consul has something else than we wrote. */
  readonly onDrift: (podKeys: Iterable<string>) => void;
  /** Told what cannot be followed and why; with undefined that it can again. */
  readonly onFailure: (what: string, error: unknown) => void;
}

/** What follows an answer. */
interface Recovery extends Pick<BlockingQueryOptions, 'restMs'> {
  /** Answers come again after failures. */
  readonly onRecovery?: () => void;
}

const LOOK = 'read our Consul nodes again';
/** A catalog that churns must not make us spin. */
const PER_SECOND = 2;
/**
 * Of the list of all services, which tells only that something changed. A wake of our own doing tells nothing; of somebody else's it
 * is asked for again at once, unless Consul is busy with it: it may take a hundredth of a core for the one and a twentieth for
 * the other.
 */
const REST = {
  ours: { inCosts: 100, leastMs: 7000, longestMs: 30_000 },
  others: { inCosts: 20, longestMs: 30_000 },
};

/**
 * Notices that somebody else changed or removed what is ours. It costs nothing while nothing happens; the catalog has no
 * anti-entropy for us, so what is not repaired here stays broken.
 * - The list of services and the list of our nodes are followed by blocking queries. A wake that is not our own commit is answered
 *   by a look at our nodes soon. A commit of ours, and the first answer, are followed by a look later: the commit may hide a change of
 *   somebody else's (see Looks). So while we write the list of services tells nothing, and is hardly asked for.
 * - An index that went back, a sign that time went back in Consul, or answers that come again after failures, may be of a Consul
 *   that was restored or replaced: then no index means anything any more, and all is read.
 * - The lists of critical and of warning checks are followed too, and tell without another read on which of our nodes a
 *   check is not as we wrote it. These nodes are read at once, a few of them; where there are more, by the next look.
 */
export function followDrift(options: DriftOptions): void {
  const { owner, own, timeLine, distrust, onDrift, onFailure, log } = options;
  const looks = new Looks({
    ...options,
    look: () =>
      own.look((podKeys) => {
        if (podKeys.size > 0)
          log.info('Consul has something else than was written, looking at it', { pods: podKeys.size });
        onDrift(podKeys);
      }),
    onFailure: (error) => onFailure(LOOK, error),
  });
  const readAll = () => {
    own.forgetIndexes();
    looks.soon(true);
  };
  distrust.subscribe(readAll);
  const follow = (
    request: BlockingQueryOptions['request'],
    onAnswer: BlockingQueryOptions['onAnswer'],
    { onRecovery = () => undefined, restMs }: Recovery = {},
  ) =>
    options.follow({
      ...{ request, onAnswer, restMs, perSecond: PER_SECOND },
      onFailure: (error) => {
        onFailure(request.purpose, error);
        if (error === undefined) onRecovery();
      },
    });
  const followList = (
    request: BlockingQueryOptions['request'],
    take: (answer: ConsulAnswer) => void | Promise<void> = () => undefined,
    restMs: BlockingQueryOptions['restMs'] = () => 0,
  ) => {
    let previous = 0;
    const onAnswer = async (answer: ConsulAnswer) => {
      await take(answer);
      if (answer.index > 0 && answer.index < previous) readAll();
      else looks.soon(previous > 0 && !own.isOurDoing(answer.index));
      previous = answer.index || previous;
    };
    follow(request, onAnswer, { onRecovery: readAll, restMs });
  };
  const takeNames = async (answer: ConsulAnswer) => {
    decodeServiceNames(answer);
    await timeLine.takeNamesIndex(answer.index);
  };
  followList(SERVICES_REQUEST, takeNames, ({ index }, costMs) => {
    return restAfter(costMs, own.isOurDoing(index) ? REST.ours : REST.others);
  });
  followList(nodesRequest(META.cluster, owner.cluster));
  own.onCommit(() => looks.soon(false));
  for (const status of ['critical', 'warning'] as const) {
    const request = healthStateRequest(status);
    follow(request, async (answer) => {
      const checks = decodeHealthState(answer, request.purpose).keys();
      const listed = new Set([...checks].map((check) => check.toLowerCase()));
      for (const node of own.nodesWithOtherChecks(status, listed)) {
        if (!options.brake.tryTake(READS_OF_A_NODE)) return looks.soon(true);
        onDrift(await own.refresh(node));
      }
    });
  }
}

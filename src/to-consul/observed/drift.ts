import type { BlockingQueryOptions } from '../../consul/blocking-query.ts';
import { nodesRequest } from '../../consul/catalog.ts';
import type { CatalogLists } from '../../consul/catalog-lists.ts';
import type { Distrust } from '../../consul/distrust.ts';
import { restAfter, type Rest } from '../../consul/rest.ts';
import { META, type Owner } from '../../mark.ts';
import type { RetryBrake } from '../../retry-brake.ts';
import { CheckedNodes } from './checked-nodes.ts';
import { Looks, type LooksOptions } from './looks.ts';
import type { OwnCatalog } from './own-catalog.ts';

/** Follows one endpoint of Consul by blocking queries until the signal aborts. */
export type Follow = (
  query: Required<Pick<BlockingQueryOptions, 'request' | 'onAnswer' | 'onFailure' | 'perSecond'>> &
    Pick<BlockingQueryOptions, 'restMs'>,
) => void;

export interface DriftOptions extends Pick<LooksOptions, 'onLook' | 'log' | 'signal' | 'pace' | 'clock'> {
  readonly owner: Owner;
  readonly own: Pick<
    OwnCatalog,
    'look' | 'nodeCount' | 'refresh' | 'doubt' | 'isOurDoing' | 'onCommit' | 'forgetIndexes' | 'nodesWithOtherChecks'
  >;
  readonly lists: CatalogLists;
  readonly distrust: Pick<Distrust, 'subscribe'>;
  readonly follow: Follow;
  /** Lists that say the same again and again have our nodes read no more often than what failed. */
  readonly brake: Pick<RetryBrake, 'tryTake'>;
  /** Pods for which Consul has something else than we wrote. */
  readonly onDrift: (podKeys: Iterable<string>) => void;
  /** Told what cannot be followed and why; with undefined that it can again. */
  readonly onFailure: (what: string, error: unknown) => void;
}

const LOOK = 'read our Consul nodes again';
/** A catalog that churns must not make us spin. */
const PER_SECOND = 2;
/**
 * A wake of our own doing tells nothing; after one of somebody else's a list is asked for again at once, unless Consul is busy with it:
 * it may take a hundredth of a core for the one and a twentieth for the other. Lists of checks wake at any change of any check as
 * long as they are empty, so they are given half a second.
 */
const REST = {
  ours: { inCosts: 100, leastMs: 7000, longestMs: 30_000 },
  others: { inCosts: 20, longestMs: 30_000 },
  othersChecks: { inCosts: 20, leastMs: 500, longestMs: 30_000 },
};

/**
 * Notices that somebody else changed or removed what is ours. It costs nothing while nothing happens; the catalog has no
 * anti-entropy for us, so what is not repaired here stays broken.
 * - The list of services and the list of our nodes are followed by blocking queries. A wake that is not our own commit is answered
 *   by a look at our nodes soon. A commit of ours, and the first answer, are followed by a look later: the commit may hide a change of
 *   somebody else's (see Looks). So while we write the lists tell nothing, and are hardly asked for.
 * - An index that went back, a sign that time went back in Consul, or answers that come again after failures, may be of a Consul
 *   that was restored or replaced: then no index means anything any more, and all is read.
 * - The lists of critical and of warning checks are followed too, and tell without another read on which of our nodes a
 *   check is not as we wrote it; see CheckedNodes.
 *
 * The list of services and those of checks are shared with whoever else follows them.
 */
export function followDrift(options: DriftOptions): void {
  const { owner, own, lists, distrust, onDrift, onFailure, log } = options;
  const looks = new Looks({
    ...options,
    look: () =>
      own.look((podKeys) => {
        if (podKeys.size > 0)
          log.info('Consul has something else than was written, looking at it', { pods: podKeys.size });
        onDrift(podKeys);
      }),
    nodes: () => own.nodeCount,
    onFailure: (error) => onFailure(LOOK, error),
  });
  const readAll = () => {
    own.forgetIndexes();
    looks.soon(true);
  };
  distrust.subscribe(readAll);
  const restAfterWake = (index: number, costMs: number, others: Rest = REST.others) =>
    restAfter(costMs, own.isOurDoing(index) ? REST.ours : others);
  const wakeOf = (purpose: string) => {
    let previous = 0;
    return {
      onIndex: (index: number) => {
        if (index > 0 && index < previous) readAll();
        else looks.soon(previous > 0 && !own.isOurDoing(index));
        previous = index || previous;
      },
      onFailure: (error: unknown) => {
        onFailure(purpose, error);
        if (error === undefined) readAll();
      },
    };
  };
  const names = wakeOf(lists.names.purpose);
  lists.names.subscribe({
    take: (_, index) => Promise.resolve(names.onIndex(index)),
    onFailure: names.onFailure,
    restMs: restAfterWake,
  });
  const request = nodesRequest(META.cluster, owner.cluster);
  const nodes = wakeOf(request.purpose);
  options.follow({
    ...{ request, perSecond: PER_SECOND },
    onAnswer: ({ index }) => nodes.onIndex(index),
    onFailure: nodes.onFailure,
    restMs: ({ index }, costMs) => restAfterWake(index, costMs),
  });
  own.onCommit(() => looks.soon(false));
  const checked = new CheckedNodes({ ...options, onLeft: () => looks.soon(true) });
  for (const status of ['critical', 'warning'] as const) {
    const list = lists[status];
    list.subscribe({
      take: (checks) => {
        checked.take(status, checks);
        return Promise.resolve(false);
      },
      onFailure: (error) => onFailure(list.purpose, error),
      restMs: (index, costMs) => restAfterWake(index, costMs, REST.othersChecks),
    });
  }
}

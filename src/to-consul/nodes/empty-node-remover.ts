import { backoffMs, sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import type { Absence } from '../../consul/absence.ts';
import type { Committer } from '../../consul/committer.ts';
import { mayHaveBeenApplied, TransactionConflict } from '../../consul/errors.ts';
import type { DeniedRights } from '../../consul/denied-rights.ts';
import type { NodeReader } from '../../consul/node-reader.ts';
import { isDenial, rightIn, type ConsulRight } from '../../consul/rights.ts';
import { operationList } from '../../consul/transaction.ts';
import type { Log } from '../../observability/log.ts';
import type { Owner } from '../../mark.ts';
import { EmptySince, whyNodeStays } from './empty-node.ts';
import type { Touched } from '../observed/own-catalog.ts';
import { nodeRemoval } from '../write/operations.ts';

/** A drained Kubernetes node that comes back, or a workload that pauses, finds its Consul node still there. */
export const EMPTY_NODE_MS = 10 * 60_000;
/** Looking costs nothing: it is our own picture. */
const LOOKS_IN_GRACE = 20;
/** Full-jitter caps of 1, 2, 4, 8, 16, 30 s. */
const BACKOFF = { baseMs: 1000, maxMs: 30_000 };

/** Our picture of Consul, as far as nodes are removed from it. */
export interface OwnNodes {
  /** Our nodes without an instance of ours, each with a number that moves with our commits there. */
  emptyNodes(): ReadonlyMap<string, number>;
  nodeRemoved(node: string): void;
  commitBegins(touched: Touched): void;
  commitEnds(touched: Touched, isIndexKnown: boolean): void;
}

export interface NodeRemoverOptions {
  readonly nodes: Pick<NodeReader, 'read'>;
  /** When what is missing from Consul is gone. */
  readonly absence: Pick<Absence, 'assertBelievable' | 'tokenTerm'>;
  readonly committer: Committer;
  readonly owner: Owner;
  readonly own: OwnNodes;
  /** Keeps all writes off a node until the returned function is called; undefined when a write may be on its way. */
  readonly reserve: (node: string) => (() => void) | undefined;
  /** How long a node must have been empty. */
  readonly graceMs: number;
  /** False while anything is not read or not followed: nothing is removed then. */
  readonly isFollowing: () => boolean;
  /** What the token may not write: nodes among them stay. */
  readonly denied: Pick<DeniedRights, 'deny' | 'isDenied'>;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Removes Consul nodes of ours that have been empty for a while, one at a time. With a node Consul removes all that is on
 * it, and its `delete-cas` minds changes of the node itself only: an instance that somebody put there a moment ago does not
 * move its index (seen on 1.22.0). So before each removal
 * - the writer keeps its transactions off the node, and none may be on its way;
 * - the leader, having confirmed that it leads, says that the node is ours and that nothing at all is on it;
 * - absence is believable: the witness is there for our token, and Consul did not go back in time (see Absence).
 *
 * | what became of the try                             | the node is                                            |
 * |----------------------------------------------------|--------------------------------------------------------|
 * | removed, or was gone                               | forgotten                                              |
 * | has something on it, or is not ours                | looked at again after it was empty as long again       |
 * | refused: it changed, or is gone                    | the same; a removal still on its way is refused as well |
 * | refused for want of the right to the node          | left alone until the token may have the right           |
 * | nothing was sent, or Consul said that it did nothing | tried again at the next look, and no other before      |
 * | nobody knows                                       | kept from the writer, until the removal can be applied no more and it is known what became of the node |
 *
 * The writer is kept off because a removal that is still on its way would take along what is created meanwhile. One gap is
 * left: an instance that somebody else puts on a node of ours within the few milliseconds between the leader's answer and
 * the removal; Consul has no operation that would refuse for it.
 */
export async function removeEmptyNodes(options: NodeRemoverOptions): Promise<void> {
  const { own, graceMs, isFollowing, denied, clock, signal } = options;
  const since = new EmptySince(graceMs);
  while (!signal.aborted) {
    await sleep(graceMs / LOOKS_IN_GRACE, signal, clock);
    for (const node of since.due(own.emptyNodes(), clock.now())) {
      if (denied.isDenied(rightTo(node))) continue;
      if (signal.aborted || !isFollowing() || !(await removeAlone(options, node))) break;
      since.startAnew(node);
    }
  }
}

/** The right to the key of the fence may be missing too, which is told elsewhere. */
function isNodeDenied(error: unknown): error is TransactionConflict {
  if (!(error instanceof TransactionConflict)) return false;
  return error.failures.some(({ what }) => isDenial(what) && rightIn(what)?.resource !== 'key');
}

function rightTo(node: string): ConsulRight {
  return { resource: 'node', name: node };
}

/** False when it should be tried again soon. */
async function removeAlone(options: NodeRemoverOptions, node: string): Promise<boolean> {
  const release = options.reserve(node);
  if (!release) return true;
  try {
    let isInDoubt = false;
    for (let failures = 0; ; failures++) {
      const outcome = await tryToRemove(options, node, isInDoubt);
      if (outcome === 'settled') return true;
      isInDoubt ||= outcome === 'unknown';
      if (!isInDoubt || options.signal.aborted) return false;
      await sleep(backoffMs(failures, BACKOFF), options.signal, options.clock);
    }
  } finally {
    release();
  }
}

/**
 * `failed`: nothing was done now; `unknown`: the removal may have been applied, or may still be.
 * @param isInDoubt a removal of before may still be applied: whatever is on the node by then would go with it
 */
async function tryToRemove(
  { absence, nodes, committer, owner, own, denied, log, signal }: NodeRemoverOptions,
  node: string,
  isInDoubt: boolean,
): Promise<'settled' | 'failed' | 'unknown'> {
  let isSent = false;
  try {
    if (isInDoubt) await committer.settled();
    signal.throwIfAborted();
    // What is on the node must not be hidden from a token that another replaces in between.
    const { tokenTerm } = absence;
    const contents = await nodes.read(node, true);
    await absence.assertBelievable(`remove empty Consul node ${node}`, tokenTerm);
    const why = contents && whyNodeStays(owner, contents);
    if (why !== undefined) {
      log.debug('Consul node without instances of ours stays', { node, why });
      return 'settled';
    }
    if (contents) {
      isSent = true;
      await commit(own, node, () => committer.commit([operationList([nodeRemoval(contents.node)])]));
    }
    own.nodeRemoved(node);
    log.info('removed empty Consul node', { node });
    return 'settled';
  } catch (error) {
    if (signal.aborted) return 'failed';
    if (isNodeDenied(error)) {
      denied.deny(rightTo(node), error.message);
      return 'failed';
    }
    log.warn('empty Consul node could not be removed', { node, error });
    if (error instanceof TransactionConflict) return 'settled';
    return isSent && mayHaveBeenApplied(error) ? 'unknown' : 'failed';
  }
}

async function commit(own: OwnNodes, node: string, send: () => Promise<unknown>): Promise<void> {
  const touched = new Map([[node, undefined]]);
  own.commitBegins(touched);
  try {
    await send();
  } finally {
    own.commitEnds(touched, false);
  }
}

import { backoffMs, sleep } from '../../backoff.ts';
import { assertWitness, readNode } from '../../consul/catalog-reader.ts';
import type { ConsulClient } from '../../consul/client.ts';
import { ConsulError, TransactionConflict } from '../../consul/errors.ts';
import { commitTransaction, operationsText } from '../../consul/transaction.ts';
import type { Log } from '../../observability/log.ts';
import type { Owner } from '../../mark.ts';
import { EmptySince, whyNodeStays } from './empty-node.ts';
import type { OwnCatalog } from '../observed/own-catalog.ts';
import { nodeRemoval } from '../write/operations.ts';
import type { Writer } from '../write/writer.ts';

/** A drained Kubernetes node that comes back, or a workload that pauses, finds its Consul node still there. */
export const EMPTY_NODE_MS = 10 * 60_000;
/** Looking costs nothing: it is our own picture. */
const LOOKS_IN_GRACE = 20;
const BACKOFF = { baseMs: 1000, maxMs: 30_000 };

export interface NodeRemoverOptions {
  readonly client: ConsulClient;
  readonly owner: Owner;
  readonly own: OwnCatalog;
  readonly writer: Pick<Writer, 'reserve'>;
  /** How long a node must have been empty. */
  readonly graceMs: number;
  /** False while anything is not read or not followed: nothing is removed then. */
  readonly isFollowing: () => boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Removes Consul nodes of ours that have been empty for a while, one at a time. With a node Consul removes all that is on
 * it, and its `delete-cas` minds changes of the node itself only: an instance that somebody put there a moment ago does not
 * move its index (seen on 1.22.0). So before each removal
 * - the writer keeps its transactions off the node, and none may be on its way;
 * - the witness is there for our token, so nothing is hidden from it;
 * - the leader, having confirmed that it leads, says that the node is ours and that nothing at all is on it.
 *
 * The writer is kept off until it is known what became of the removal: one that is still on its way would take what is
 * created meanwhile. What is left is an instance that somebody else puts on a node of ours within the few milliseconds
 * between that answer and the removal; Consul has no operation that would refuse for it.
 */
export async function removeEmptyNodes(options: NodeRemoverOptions): Promise<void> {
  const { own, graceMs, isFollowing, signal } = options;
  const since = new EmptySince(graceMs);
  while (!signal.aborted) {
    await sleep(graceMs / LOOKS_IN_GRACE, signal);
    for (const node of since.due(own.emptyNodes(), performance.now())) {
      if (signal.aborted || !isFollowing() || !(await removeAlone(options, node))) break;
      since.startAnew(node);
    }
  }
}

/** False when it should be tried again soon. */
async function removeAlone(options: NodeRemoverOptions, node: string): Promise<boolean> {
  const release = options.writer.reserve(node);
  if (!release) return true;
  try {
    let isOnItsWay = false;
    for (let failures = 0; ; failures++) {
      const outcome = await tryToRemove(options, node);
      if (outcome === 'settled') return true;
      isOnItsWay ||= outcome === 'unknown';
      if (!isOnItsWay || options.signal.aborted) return false;
      await sleep(backoffMs(failures, BACKOFF), options.signal);
    }
  } finally {
    release();
  }
}

/** `failed`: nothing was done now; `unknown`: the removal may have been applied, or may still be. */
async function tryToRemove(
  { client, owner, own, log, signal }: NodeRemoverOptions,
  node: string,
): Promise<'settled' | 'failed' | 'unknown'> {
  let isSent = false;
  try {
    await assertWitness(client, signal);
    const contents = await readNode(client, node, true);
    const why = contents && whyNodeStays(owner, contents);
    if (why !== undefined) {
      log.debug('Consul node without instances of ours stays', { node, why });
      return 'settled';
    }
    if (contents) {
      isSent = true;
      await commit(own, node, () => commitTransaction(client, [operationsText([nodeRemoval(contents.node)])]));
    }
    own.nodeRemoved(node);
    log.info('removed empty Consul node', { node });
    return 'settled';
  } catch (error) {
    if (signal.aborted) return 'failed';
    log.warn('empty Consul node could not be removed', { node, error });
    // It changed, or is gone: a removal that is still on its way is refused as well.
    if (error instanceof TransactionConflict) return 'settled';
    return isSent && !(error instanceof ConsulError && !error.isOutcomeUnknown) ? 'unknown' : 'failed';
  }
}

async function commit(own: OwnCatalog, node: string, send: () => Promise<unknown>): Promise<void> {
  const touched = new Map([[node, undefined]]);
  own.commitBegins(touched);
  try {
    await send();
  } finally {
    own.commitEnds(touched, false);
  }
}

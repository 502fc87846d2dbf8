import type { Metrics } from '../observability/metrics.ts';
import type { ConsulClient } from './client.ts';
import { ConsulError, FenceRefused, TransactionConflict, type OperationFailure } from './errors.ts';
import { decodeCommitted, decodeFailures, type Committed, type KeyCheck, type OperationList } from './transaction.ts';

/** The one way in which anything is written to Consul. */
export interface Committer {
  /**
   * Applies all operations of all lists, or none.
   * @throws TransactionConflict when Consul refused some of them (409): nothing was applied. A failure is numbered by the
   *   position of its operation among those given, whatever else the transaction had.
   * @throws NotApplied when the fence kept it from being sent, or refused it.
   * @throws ConsulError or another otherwise; mayHaveBeenApplied says whether the transaction was applied all the same.
   */
  commit(lists: readonly OperationList[]): Promise<Committed>;
  /**
   * Resolves when none of the transactions can be applied any more of which nobody knew what became of them: what is read
   * afterwards stays. With a fence that is a write of its key, without one 35 s from the last of them.
   * @throws ConsulError, UntrustworthyAnswer when the fence could not be moved
   */
  settled(): Promise<void>;
}

/** What every transaction begins with, so that one which others have overtaken changes nothing. */
export interface Fencing {
  /**
   * Runs one transaction behind the check of the fence; behind none where there is no fence.
   * @param send throws FenceRefused when that check failed
   * @throws TransactionConflict instead, without failures, when the same can be sent again
   * @throws NotApplied when it cannot
   */
  around(send: (first: KeyCheck | undefined) => Promise<Committed>): Promise<Committed>;
  /** As of a Committer. */
  settled(): Promise<void>;
}

type CommitterMetrics = Pick<Metrics, 'consulTransactions' | 'consulOperations' | 'consulTransactionSeconds'>;

export function createCommitter(
  client: Pick<ConsulClient, 'put'>,
  metrics: CommitterMetrics,
  fencing: Fencing,
): Committer {
  async function send(lists: readonly OperationList[], first: KeyCheck | undefined): Promise<Committed> {
    const texts = lists.map(({ text }) => text);
    const json = `[${(first ? [JSON.stringify(first), ...texts] : texts).join(',')}]`;
    try {
      return decodeCommitted((await client.put({ purpose: 'commit transaction', path: '/txn', json })).body);
    } catch (error) {
      if (error instanceof ConsulError && error.status === 409)
        throw conflictOf(decodeFailures(error.detail), first !== undefined);
      throw error;
    }
  }

  /** What the fence keeps back is not sent, and so neither counted nor timed. */
  async function sendCounted(lists: readonly OperationList[], first: KeyCheck | undefined): Promise<Committed> {
    const endTimer = metrics.consulTransactionSeconds.startTimer();
    try {
      const committed = await send(lists, first);
      metrics.consulTransactions.inc({ outcome: 'committed' });
      metrics.consulOperations.inc(lists.reduce((sum, { operations }) => sum + operations.length, 0));
      return committed;
    } catch (error) {
      const isRefused = error instanceof TransactionConflict || error instanceof FenceRefused;
      metrics.consulTransactions.inc({ outcome: isRefused ? 'conflict' : 'failed' });
      throw error;
    } finally {
      endTimer();
    }
  }

  return {
    settled: () => fencing.settled(),
    commit: (lists) => fencing.around((first) => sendCounted(lists, first)),
  };
}

/** @param isFenced the first operation is the check of the fence */
function conflictOf(failures: readonly OperationFailure[], isFenced: boolean): Error {
  if (!isFenced) return new TransactionConflict(failures);
  const refusal = failures.find(({ index }) => index === 0);
  if (refusal) return new FenceRefused(refusal.what);
  return new TransactionConflict(failures.map(({ index, what }) => ({ index: index - 1, what })));
}

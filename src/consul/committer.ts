import type { Metrics } from '../observability/metrics.ts';
import type { ConsulClient } from './client.ts';
import { ConsulError, TransactionConflict } from './errors.ts';
import { decodeCommitted, decodeFailures, type Committed, type OperationList } from './transaction.ts';

/** The one way in which anything is written to Consul. */
export interface Committer {
  /**
   * Applies all operations of all lists, or none.
   * @throws TransactionConflict when Consul refused some of them (409): nothing was applied. A failure is numbered by the
   *   position of its operation among those given, whatever else the transaction had.
   * @throws ConsulError otherwise; `isOutcomeUnknown` says whether the transaction may have been applied all the same.
   */
  commit(lists: readonly OperationList[]): Promise<Committed>;
}

type CommitterMetrics = Pick<Metrics, 'consulTransactions' | 'consulOperations' | 'consulTransactionSeconds'>;

export function createCommitter(client: Pick<ConsulClient, 'put'>, metrics: CommitterMetrics): Committer {
  async function send(lists: readonly OperationList[]): Promise<Committed> {
    const json = `[${lists.map(({ text }) => text).join(',')}]`;
    try {
      return decodeCommitted((await client.put({ purpose: 'commit transaction', path: '/txn', json })).body);
    } catch (error) {
      if (error instanceof ConsulError && error.status === 409)
        throw new TransactionConflict(decodeFailures(error.detail));
      throw error;
    }
  }

  return {
    async commit(lists) {
      const endTimer = metrics.consulTransactionSeconds.startTimer();
      try {
        const committed = await send(lists);
        metrics.consulTransactions.inc({ outcome: 'committed' });
        metrics.consulOperations.inc(lists.reduce((sum, { operations }) => sum + operations.length, 0));
        return committed;
      } catch (error) {
        metrics.consulTransactions.inc({ outcome: error instanceof TransactionConflict ? 'conflict' : 'failed' });
        throw error;
      } finally {
        endTimer();
      }
    },
  };
}

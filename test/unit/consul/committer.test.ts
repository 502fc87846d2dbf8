import { describe, expect, it } from '@jest/globals';
import { createCommitter, type Fencing } from '../../../src/consul/committer.ts';
import { ConsulError, NotApplied, TransactionConflict } from '../../../src/consul/errors.ts';
import { operationList, type Operation } from '../../../src/consul/transaction.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';

function node(name: string): Operation {
  return { Node: { Verb: 'cas', Node: { Node: name, Address: '192.168.1.11', Meta: {}, ModifyIndex: 0 } } };
}
const lists = [operationList([node('a'), node('b')]), operationList([node('c')])];

const UNFENCED: Fencing = { around: (send) => send(undefined), settled: () => Promise.resolve() };
const FENCED: Fencing = {
  around: (send) => send({ KV: { Verb: 'check-index', Key: 'consular/dev/leader', Index: 7 } }),
  settled: () => Promise.resolve(),
};

/** A committer whose Consul answers as given, with what it was asked and what was counted. */
function answering(answer: () => unknown, fencing = UNFENCED) {
  const sent: { path: string; json: string }[] = [];
  const metrics = createMetrics();
  const put = ({ path, json }: { path: string; json: string }) => {
    sent.push({ path, json });
    return new Promise<never>((resolve) => {
      resolve({ body: answer(), index: 0, knownLeader: true, filteredByAcls: false } as never);
    });
  };
  const counted = async () => {
    const transactions = await metrics.consulTransactions.get();
    const operations = await metrics.consulOperations.get();
    const seconds = await metrics.consulTransactionSeconds.get();
    return {
      outcomes: transactions.values.map(({ labels, value }) => `${labels.outcome}: ${value}`),
      operations: operations.values.map(({ value }) => value),
      timed: seconds.values.find(({ metricName }) => metricName?.endsWith('_count'))?.value,
    };
  };
  return { committer: createCommitter({ put }, metrics, fencing), sent, counted };
}

function refusing(error: Error, fencing = UNFENCED) {
  return answering(() => {
    throw error;
  }, fencing);
}

describe('a transaction', () => {
  it('is all operations of all lists, and tells the indexes of what it wrote', async () => {
    const { committer, sent, counted } = answering(() => ({ Results: [{ Node: { Node: 'a', ModifyIndex: 20 } }] }));
    const committed = await committer.commit(lists);
    expect(committed.nodes).toEqual(new Map([['a', 20]]));
    expect(sent.map(({ path }) => path)).toEqual(['/txn']);
    expect(JSON.parse(sent[0]?.json ?? '')).toEqual([node('a'), node('b'), node('c')]);
    expect(await counted()).toEqual({ outcomes: ['committed: 1'], operations: [3], timed: 1 });
  });

  it('that Consul refused names the operations by their position among those given', async () => {
    const what = 'failed to set node "c": index is stale';
    const detail = JSON.stringify({ Errors: [{ OpIndex: 2, What: what }] });
    const { committer, counted } = refusing(new ConsulError('commit transaction', 409, detail));
    const error = await committer.commit(lists).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TransactionConflict);
    expect(error).toMatchObject({ failures: [{ index: 2, what }], isDenied: false });
    expect(await counted()).toEqual({ outcomes: ['conflict: 1'], operations: [0], timed: 1 });
  });

  it('that a proxy refused with 409 names none', async () => {
    const { committer } = refusing(new ConsulError('commit transaction', 409, '<html>409 Conflict</html>'));
    await expect(committer.commit(lists)).rejects.toMatchObject({ name: 'TransactionConflict', failures: [] });
  });

  it.each([
    ['with a status', new ConsulError('commit transaction', 500, 'No cluster leader')],
    ['without an answer', new ConsulError('commit transaction', 0, '')],
  ])('that failed %s fails as it is', async (_, failure) => {
    const { committer, counted } = refusing(failure);
    await expect(committer.commit(lists)).rejects.toBe(failure);
    expect(await counted()).toEqual({ outcomes: ['failed: 1'], operations: [0], timed: 1 });
  });

  it('with an answer of the wrong shape counts as failed', async () => {
    const { committer, counted } = answering(() => 'true');
    await expect(committer.commit(lists)).rejects.toThrow('read transaction results: expected an object');
    expect((await counted()).outcomes).toEqual(['failed: 1']);
  });

  it('that the fence keeps back is not sent, and neither counted nor timed', async () => {
    const keptBack = new NotApplied(new Error('another process leads'));
    const closed: Fencing = { ...UNFENCED, around: () => Promise.reject(keptBack) };
    const { committer, sent, counted } = answering(() => ({}), closed);
    await expect(committer.commit(lists)).rejects.toBe(keptBack);
    expect([sent, await counted()]).toEqual([[], { outcomes: [], operations: [0], timed: 0 }]);
  });

  it('that the fence refuses was sent, and counts as a conflict', async () => {
    const detail = JSON.stringify({ Errors: [{ OpIndex: 0, What: 'current modify index is stale' }] });
    const { committer, sent, counted } = refusing(new ConsulError('commit transaction', 409, detail), FENCED);
    await expect(committer.commit(lists)).rejects.toMatchObject({ name: 'FenceRefused' });
    expect([sent.length, (await counted()).outcomes]).toEqual([1, ['conflict: 1']]);
  });
});

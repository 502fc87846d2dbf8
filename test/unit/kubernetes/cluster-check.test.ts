import { describe, expect, it } from '@jest/globals';
import { ClusterCheck, OtherClusterError } from '../../../src/kubernetes/cluster-check.ts';
import { settled } from '../clock.ts';

/** A namespace kube-system whose uid is read when the test says so. */
function stage() {
  const reads: { answer(uid: string): void; fail(): void }[] = [];
  const cluster = new ClusterCheck(
    () =>
      new Promise((resolve, reject) => reads.push({ answer: resolve, fail: () => reject(new Error('no connection')) })),
    'kube-system',
  );
  const begin = async () => {
    const begun = cluster.begin();
    reads[0]?.answer('ours');
    await begun;
  };
  /** What became of a check. */
  const outcome = (check: Promise<void>) =>
    check.then(
      () => 'ours',
      (error: unknown) => (error instanceof OtherClusterError ? 'another' : String(error)),
    );
  return { cluster, reads, begin, outcome };
}

describe('whether the API server answers for our cluster', () => {
  it('cannot be asked before our cluster is known', async () => {
    const { cluster, reads } = stage();
    await cluster.check();
    expect(reads).toEqual([]);
  });

  it.each([
    ['is so while the uid is the same', 'ours', 'ours'],
    ['is not so with another uid', 'theirs', 'another'],
  ])('%s', async (_, uid, expected) => {
    const { cluster, reads, begin, outcome } = stage();
    await begin();
    const check = outcome(cluster.check());
    await settled();
    reads[1]?.answer(uid);
    expect(await check).toBe(expected);
  });

  it('is an error that another read may mend, when it cannot be told', async () => {
    const { cluster, reads, begin, outcome } = stage();
    await begin();
    const first = outcome(cluster.check());
    await settled();
    reads[1]?.fail();
    expect(await first).toBe('Error: no connection');
    const second = outcome(cluster.check());
    await settled();
    reads[2]?.answer('ours');
    expect(await second).toBe('ours');
  });

  it('is read once for all that ask at a time, and anew for those that ask during the read', async () => {
    const { cluster, reads, begin, outcome } = stage();
    await begin();
    const early = [cluster.check(), cluster.check()].map(outcome);
    await settled();
    expect(reads.length).toBe(2);
    // The answer that is on its way may be of a moment before theirs.
    const late = [cluster.check(), cluster.check()].map(outcome);
    await settled();
    expect(reads.length).toBe(2);
    reads[1]?.answer('ours');
    expect(await Promise.all(early)).toEqual(['ours', 'ours']);
    await settled();
    expect(reads.length).toBe(3);
    reads[2]?.answer('theirs');
    expect(await Promise.all(late)).toEqual(['another', 'another']);
  });

  it('is not so for ever, once it was not: whoever runs us is told, and nobody is asked any more', async () => {
    const { cluster, reads, begin, outcome } = stage();
    await begin();
    const check = outcome(cluster.check());
    await settled();
    reads[1]?.answer('theirs');
    await check;
    expect((await cluster.isOther).message).toContain(
      'expected the Kubernetes cluster of the start, with uid ours, found another, with uid theirs',
    );
    expect(await outcome(cluster.check())).toBe('another');
    expect(reads.length).toBe(2);
  });
});

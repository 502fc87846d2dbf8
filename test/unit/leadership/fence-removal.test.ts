import { describe, expect, it } from '@jest/globals';
import { TransactionConflict } from '../../../src/consul/errors.ts';
import type { StoredKey } from '../../../src/consul/key-value.ts';
import { removeFence } from '../../../src/leadership/fence-removal.ts';
import { writeRecord } from '../../../src/leadership/fence-record.ts';

const KEY = 'consular/shop/leader';
const heldBy = (holder: string, index: number): StoredKey => ({
  value: writeRecord({ epoch: 4, holder, clusterUid: 'uid-1' }),
  index,
});

/** A key that has these states, each from one read to the next. */
function store(...states: (StoredKey | undefined)[]) {
  const removed: number[] = [];
  let now: StoredKey | undefined;
  return {
    removed,
    read: () => Promise.resolve((now = states.shift())),
    remove: (_: string, index: number) => {
      removed.push(index);
      if (states.length > 0) return Promise.reject(new TransactionConflict([{ index: 0, what: 'index is stale' }]));
      return now ? Promise.resolve() : Promise.reject(new Error('nothing there'));
    },
  };
}

describe('the key of the fence', () => {
  it('is deleted at the index that was read, and read again when that has moved', async () => {
    const keyValue = store(heldBy('us', 7), heldBy('us', 9));
    await removeFence(keyValue, KEY, 'us');
    expect(keyValue.removed).toEqual([7, 9]);
  });

  it('that is gone is gone', async () => {
    const keyValue = store(undefined);
    await removeFence(keyValue, KEY, 'us');
    expect(keyValue.removed).toEqual([]);
  });

  it.each([
    ['another process holds', heldBy('another', 7), 'found another in it'],
    ['somebody wrote something else into', { value: 'hello', index: 7 }, 'found what no Consular wrote in it'],
  ])('that %s stays', async (_, state, text) => {
    const keyValue = store(state);
    await expect(removeFence(keyValue, KEY, 'us')).rejects.toThrow(text);
    expect(keyValue.removed).toEqual([]);
  });
});

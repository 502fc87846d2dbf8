import { expect, it } from '@jest/globals';
import { Tally } from '../../../src/reconcile/tally.ts';

it('what there is of each key is counted as the latest word on it says', () => {
  const kept = new Tally();
  kept.note('shop/a', 2);
  kept.note('shop/b', 1);
  expect(kept.total).toBe(3);
  kept.note('shop/a', 1);
  kept.note('shop/c', 0);
  expect(kept.total).toBe(2);
  kept.note('shop/a', 0);
  kept.note('shop/a', 0);
  expect(kept.total).toBe(1);
});

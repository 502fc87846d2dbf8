import { expect, it } from '@jest/globals';
import { KeptInstances } from '../../../../src/to-consul/report/held.ts';
import { observed } from '../instances.ts';

it('instances that stay because removals are off are counted as the latest plans of their pods say', () => {
  const kept = new KeptInstances();
  const note = (podKey: string, count: number) =>
    kept.note(podKey, { kept: Array.from({ length: count }, () => observed()) });
  note('shop/a', 2);
  note('shop/b', 1);
  expect(kept.count).toBe(3);
  note('shop/a', 1);
  note('shop/c', 0);
  expect(kept.count).toBe(2);
  note('shop/a', 0);
  note('shop/a', 0);
  expect(kept.count).toBe(1);
});

import { describe, expect, it } from '@jest/globals';
import { keepMore, sharedMap } from '../../../../src/kubernetes/encoding/shared.ts';
import { Slots } from '../../../../src/kubernetes/encoding/slots.ts';

describe('a table of slots', () => {
  it('that gets another size still has what was in it, until as much has come as it holds', () => {
    const table = new Slots<string>(4);
    table.put(1, 'a');
    table.resize(8);
    expect([table.get(1), table.getBefore(1)]).toEqual([undefined, 'a']);
    for (let hash = 2; hash < 10; hash++) table.put(hash, 'other');
    expect([table.size, table.getBefore(1)]).toEqual([8, undefined]);
  });

  it('gives the slot of what is gone to what comes', () => {
    const table = new Slots<string>(4);
    for (let hash = 0; hash < 100; hash++) table.put(hash, `text ${hash}`);
    const left = [0, 1, 2, 3].map((hash) => table.get(hash));
    expect(new Set(left).size).toBe(4);
    expect(left.filter((text) => text !== undefined && Number(text.slice(5)) < 96)).toEqual([]);
  });
});

describe('what is shared between objects', () => {
  const MAPS = 10_000;
  const labels = (i: number) => new Map([['app', `orders-${i}`]]);
  /** How many of so many maps are the same object when they come again. */
  const shared = () => {
    const first = Array.from({ length: MAPS }, (_, i) => sharedMap(labels(i)));
    return first.filter((map, i) => sharedMap(labels(i)) === map).length;
  };

  it('is as much as the objects that are kept need, and no more when they are gone', () => {
    const few = shared();
    keepMore(100_000);
    const many = shared();
    keepMore(-100_000);
    const after = shared();
    expect(many).toBeGreaterThan(MAPS * 0.8);
    expect(few).toBeLessThan(MAPS * 0.3);
    expect(after).toBeLessThan(MAPS * 0.3);
  });
});

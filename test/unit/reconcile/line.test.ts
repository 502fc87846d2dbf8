import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Line } from '../../../src/reconcile/line.ts';

interface Step {
  readonly do: 'add' | 'delete' | 'take' | 'clear';
  readonly item: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom('add', 'add', 'add', 'add', 'take', 'take', 'take', 'delete', 'clear'),
  item: fc.nat(5),
});

/** The same done to an array. */
function expected(line: readonly number[], step: Step): number[] {
  if (step.do === 'clear') return [];
  if (step.do === 'take') return line.slice(1);
  if (step.do === 'delete') return line.filter((one) => one !== step.item);
  return line.includes(step.item) ? [...line] : [...line, step.item];
}

function apply(line: Line<number>, step: Step): number | undefined {
  if (step.do === 'take') return line.take();
  if (step.do === 'clear') line.clear();
  else if (step.do === 'add') line.add(step.item);
  else line.delete(step.item);
  return undefined;
}

describe('a line', () => {
  it('is first come, first served after any history', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const line = new Line<number>();
        let items: number[] = [];
        for (const step of steps) {
          const taken = apply(line, step);
          if (step.do === 'take') expect(taken).toBe(items[0]);
          items = expected(items, step);
          expect(line.size).toBe(items.length);
        }
        for (const item of items) expect(line.take()).toBe(item);
        expect(line.take()).toBeUndefined();
      }),
    );
  });
});

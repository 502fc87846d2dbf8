import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compare, isEmpty } from '../../../src/reconcile/changes.ts';

const equal = (a: string, b: string) => a === b;
const mapOf = (entries: Readonly<Record<string, string>>) => new Map(Object.entries(entries));

describe('compare', () => {
  it.each([
    ['nothing anywhere', {}, {}, { create: [], update: [], remove: [] }],
    ['desired and not there', { a: '1' }, {}, { create: ['1'], update: [], remove: [] }],
    ['there as desired', { a: '1' }, { a: '1' }, { create: [], update: [], remove: [] }],
    [
      'there and different',
      { a: '1' },
      { a: '2' },
      { create: [], update: [{ desired: '1', observed: '2' }], remove: [] },
    ],
    ['there and not desired', {}, { a: '2' }, { create: [], update: [], remove: ['2'] }],
    ['the same content under another identity', { a: '1' }, { b: '1' }, { create: ['1'], update: [], remove: ['1'] }],
  ])('%s', (_, desired, observed, changes) => {
    expect(compare(mapOf(desired), mapOf(observed), equal)).toEqual(changes);
  });

  it('applied to what is, gives what should be, and then there is nothing left to do', () => {
    const state = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2'));
    fc.assert(
      fc.property(state, state, (wanted, found) => {
        // Items carry their identity, as registrations and objects do.
        const item = ([key, value]: [string, string]): [string, string] => [key, `${key}=${value}`];
        const desired = new Map(Object.entries(wanted).map(item));
        const observed = new Map(Object.entries(found).map(item));
        const { create, update, remove } = compare(desired, observed, equal);
        const result = new Map(observed);
        for (const value of remove) result.delete(value.slice(0, 1));
        for (const value of [...create, ...update.map(({ desired }) => desired)]) result.set(value.slice(0, 1), value);
        expect(result).toEqual(desired);
        expect(isEmpty(compare(desired, result, equal))).toBe(true);
      }),
    );
  });
});

describe('isEmpty', () => {
  it.each([
    [{}, true],
    [{ create: ['x'] }, false],
    [{ update: [{ desired: 'x', observed: 'y' }] }, false],
    [{ remove: ['x'] }, false],
  ])('%j: %p', (changes, empty) => {
    expect(isEmpty({ create: [], update: [], remove: [], ...changes })).toBe(empty);
  });
});

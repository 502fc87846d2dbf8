import { expect, it } from '@jest/globals';
import { wentOneByOne } from '../../../src/guard/missing.ts';

it.each<readonly [rule: string, missing: number, had: number, expected: boolean]>([
  ['the only one', 1, 1, true],
  ['one of a few', 1, 3, true],
  ['two of a few', 2, 3, false],
  ['both', 2, 2, false],
  ['half of a few', 2, 4, true],
  ['five of ten', 5, 10, true],
  ['six of twelve', 6, 12, false],
  ['five of nine', 5, 9, false],
  ['a tenth of many', 10, 100, true],
  ['more than a tenth of many', 11, 100, false],
  ['what one transaction takes of many', 32, 100, false],
  ['all of many', 100, 100, false],
])('%s went by itself: %s of %s', (_, missing, had, expected) => {
  expect(wentOneByOne(missing, had)).toBe(expected);
});

import { describe, expect, it } from '@jest/globals';
import { isNewer, wentBack } from '../../../src/kubernetes/resource-version.ts';

const HUGE = '9'.repeat(40);

describe('of two versions', () => {
  it.each([
    ['9', '10', false],
    ['10', '9', true],
    ['10', '10', false],
    ['11', '10', true],
    // Numbers of JavaScript are the same for these.
    ['9007199254740993', '9007199254740992', true],
    [`${HUGE}1`, `${HUGE}2`, false],
    [`${HUGE}0`, HUGE, true],
  ])('%s is newer than %s: %s', (a, b, expected) => {
    expect(isNewer(a, b)).toBe(expected);
  });
});

describe('a consistent read', () => {
  it.each([
    ['of a lower version says that time went back', '1000', '999', true],
    ['of a lower version with fewer digits too', `${HUGE}0`, HUGE, true],
    ['of the same version says nothing', '1000', '1000', false],
    ['of a higher version says nothing', '1000', '1001', false],
    ['of no version says nothing', '1000', '', false],
    ['of a version that is no number says nothing', '1000', '9x', false],
    ['of a version with a sign says nothing', '1000', '-1', false],
    ['says nothing where what is known is no number', 'abc', '1', false],
  ])('%s', (_, known, found, expected) => {
    expect(wentBack(known, found)).toBe(expected);
  });
});

import { describe, expect, it } from '@jest/globals';
import { isLower, parseVersion } from '../../../release/version.ts';

describe('a version', () => {
  it('is three numbers', () => {
    expect(parseVersion('0.12.3')).toEqual([0, 12, 3]);
  });

  it.each(['v0.2.0', '0.2', '0.2.0.1', '0.02.0', '0.2.0-rc.1', ' 0.2.0', ''])('is not %j', (text) => {
    expect(() => parseVersion(text)).toThrow(
      `read the version: expected one like 0.2.0, found ${JSON.stringify(text)}`,
    );
  });

  it.each([
    ['0.1.9', '0.1.10', true],
    ['0.9.9', '1.0.0', true],
    ['0.2.0', '0.10.0', true],
    ['1.0.0', '0.9.9', false],
    ['0.1.10', '0.1.9', false],
    ['0.2.0', '0.2.0', false],
    ['0.2.1', '0.1.9', false],
  ])('%s is lower than %s: %s', (one, other, expected) => {
    expect(isLower(one, other)).toBe(expected);
  });
});

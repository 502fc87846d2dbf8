import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { matchesPattern, selects } from '../../../src/config/pattern.ts';

/** The definition, word for word and exponential: a star is nothing, or one character and a star. */
function naive(pattern: string, value: string): boolean {
  if (pattern === '') return value === '';
  if (pattern.startsWith('*'))
    return naive(pattern.slice(1), value) || (value !== '' && naive(pattern, value.slice(1)));
  return value !== '' && value.startsWith(pattern.slice(0, 1)) && naive(pattern.slice(1), value.slice(1));
}

describe('matchesPattern', () => {
  it.each([
    ['orders', 'orders', true],
    ['orders', 'orders2', false],
    ['orders', 'order', false],
    ['orders', 'Orders', false],
    ['*', '', true],
    ['*', 'anything', true],
    ['', '', true],
    ['', 'x', false],
    ['kube-*', 'kube-system', true],
    ['kube-*', 'kube-', true],
    ['kube-*', 'kube', false],
    ['*-test', 'orders-test', true],
    ['*-test', 'orders-test-2', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['**', 'x', true],
    ['*ab', 'aab', true],
    ['*a*', 'bbb', false],
    ['a.c', 'abc', false],
    ['a?c', 'abc', false],
    ['[abc]', 'a', false],
    ['(a+)+$', 'aaaa', false],
    ['\\*', '\\x', true],
    ['*', 'a*b', true],
    ['a*b', 'a*b', true],
  ])('%p against %p: %p', (pattern, value, matches) => {
    expect(matchesPattern(pattern, value)).toBe(matches);
  });

  it('agrees with the definition on any pattern', () => {
    const text = (characters: string) => fc.string({ unit: fc.constantFrom(...characters), maxLength: 10 });
    fc.assert(
      fc.property(text('ab*'), text('ab*'), (pattern, value) => {
        expect(matchesPattern(pattern, value)).toBe(naive(pattern, value));
      }),
      { numRuns: 2000 },
    );
  });

  it('decides a pattern that would make a backtracking matcher run for ever', () => {
    expect(matchesPattern('*a'.repeat(120) + 'b', 'a'.repeat(253))).toBe(false);
    expect(matchesPattern('*a'.repeat(120), 'a'.repeat(253))).toBe(true);
    expect(matchesPattern('*'.repeat(253) + 'b', 'a'.repeat(253))).toBe(false);
  });
});

describe('selects', () => {
  it.each([
    ['nothing is included', [], [], false],
    ['included', ['*'], [], true],
    ['included by the second pattern', ['a', 'sh*'], [], true],
    ['excluded, which wins', ['shop'], ['sh*'], false],
    ['another one is excluded', ['*'], ['sho'], true],
  ])('%s', (_, include, exclude, selected) => {
    expect(selects({ include, exclude }, 'shop')).toBe(selected);
  });
});

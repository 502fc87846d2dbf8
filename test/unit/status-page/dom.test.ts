import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The page's own module, as a browser loads it. */
interface Dom {
  visible(text: string): string;
  amount(number: number): string;
  span(ms: number): string;
}
const file = join(import.meta.dirname, '../../../src/status-page/files/dom.js');
const dom = (await import(pathToFileURL(file).href)) as Dom;

it('no text of strangers has anything that cannot be seen, and what can be seen is the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = dom.visible(text);
      expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(shown.replace(/\\u\{[0-9a-f]+\}/g, '')).toBe(
        text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').replace(/\\u\{[0-9a-f]+\}/g, ''),
      );
    }),
  );
  expect(dom.visible('a\u202eb\n<b>')).toBe('a\\u{202e}b\\u{a}<b>');
});

it.each([
  [0, '0 s'],
  [119_000, '119 s'],
  [180_000, '3 min'],
  [7_200_000, '2 h'],
  [172_800_000, '2 d'],
])('%i ms are %s', (ms, text) => {
  expect(dom.span(ms)).toBe(text);
});

it('large numbers have their thousands apart', () => {
  expect([999, 10_000, 1_234_567].map((number) => dom.amount(number))).toEqual([
    '999',
    '10\u202f000',
    '1\u202f234\u202f567',
  ]);
});

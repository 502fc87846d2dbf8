import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  keepEach,
  NO_STRINGS,
  NONE,
  sharedBytes,
  sharedMap,
  sharedText,
} from '../../../../src/kubernetes/encoding/shared.ts';

const ofBytes = (text: string) => {
  const bytes = Buffer.from(`<${text}>`);
  return sharedBytes(bytes, 1, bytes.length - 1);
};

describe('shared texts', () => {
  it('say the same as the bytes or the text, whatever was looked up before', () => {
    const text = fc.string({ unit: 'binary', maxLength: 140 });
    fc.assert(
      fc.property(fc.array(text), (texts) => {
        const twice = [...texts, ...texts];
        expect(twice.map(ofBytes)).toEqual(twice);
        expect(twice.map(sharedText)).toEqual(twice);
      }),
    );
  });

  it('are right when many more come than there are slots', () => {
    const many = Array.from({ length: 40_000 }, (_, i) => `node-${i}`);
    expect(many.map(ofBytes).filter((text, i) => text !== many[i])).toEqual([]);
  });
});

describe('shared maps', () => {
  it('with the same entries are one object', () => {
    const one = sharedMap(new Map([['app', 'orders']]));
    expect(sharedMap(new Map([['app', 'orders']]))).toBe(one);
    expect(sharedMap(new Map([['app', 'billing']]))).toEqual(new Map([['app', 'billing']]));
    expect(sharedMap(new Map())).toBe(NO_STRINGS);
  });

  it('with much text are left alone', () => {
    const large = () => new Map([['key', 'x'.repeat(600)]]);
    expect(sharedMap(large())).not.toBe(sharedMap(large()));
    expect(sharedMap(large())).toEqual(large());
  });

  it('say the same as the maps they stand for', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.tuple(fc.string(), fc.string()))), (all) => {
        for (const entries of all) expect(sharedMap(new Map(entries))).toEqual(new Map(entries));
      }),
    );
  });
});

describe('keepEach', () => {
  it('leaves out what is nothing, and has one list for none', () => {
    expect(keepEach([1, 2, 3], (n) => (n === 2 ? undefined : n * 10))).toEqual([10, 30]);
    expect(keepEach([], (n) => n)).toBe(NONE);
    expect(keepEach([1], () => undefined)).toBe(NONE);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { WireReader } from '../../../../src/kubernetes/encoding/wire-reader.ts';
import { bytes, fixed, key, number, text, varint } from './bytes.ts';

/** A reader that stands before the value of field 1. */
function at(...parts: Uint8Array[]): WireReader {
  const reader = new WireReader(Buffer.concat(parts));
  expect(reader.next()).toBe(1);
  return reader;
}

describe('reading values', () => {
  it.each([0, 1, 127, 128, 300, 2 ** 28 - 1, 2 ** 28, 2 ** 31 - 1, -1, -(2 ** 31)])('the 32-bit number %d', (value) => {
    expect(at(number(1, value)).int32()).toBe(value);
  });

  it.each([0, 127, 2 ** 32 - 1, 2 ** 32, 1_760_954_400, 253_402_300_799, Number.MAX_SAFE_INTEGER, -1, -62_135_596_800])(
    'the 64-bit number %d',
    (value) => {
      expect(at(number(1, value)).int64()).toBe(value);
    },
  );

  it('any number', () => {
    fc.assert(fc.property(fc.maxSafeInteger(), (value) => at(number(1, value)).int64() === value));
    fc.assert(fc.property(fc.integer(), (value) => at(number(1, value)).int32() === value));
  });

  it.each([
    [0, false],
    [1, true],
    [2 ** 40, true],
  ])('the boolean %d', (value, expected) => {
    expect(at(number(1, value)).boolean()).toBe(expected);
  });

  it('any text, shared or not', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (value) => {
        expect(at(text(1, value)).string()).toBe(value);
        expect(at(text(1, value)).sharedString()).toBe(value);
      }),
    );
  });

  it('a message within, and what follows it whether it was read or not', () => {
    const inner = [text(1, 'a'), number(2, 5)];
    for (const reads of [0, 1, 2]) {
      const reader = at(bytes(1, ...inner), text(2, 'after'));
      const outer = reader.enter();
      if (reads > 0) expect([reader.next(), reader.string()]).toEqual([1, 'a']);
      if (reads > 1) expect([reader.next(), reader.int32(), reader.next()]).toEqual([2, 5, 0]);
      reader.leave(outer);
      expect([reader.next(), reader.string(), reader.next()]).toEqual([2, 'after', 0]);
    }
  });

  it('a message within, later', () => {
    const reader = at(bytes(1, text(3, 'inner')), text(2, 'after'));
    const value = reader.value();
    expect([reader.next(), reader.string()]).toEqual([2, 'after']);
    expect([value.next(), value.string(), value.next()]).toEqual([3, 'inner', 0]);
  });

  it('a prefix, when it is there', () => {
    const reader = new WireReader(Buffer.concat([Buffer.from('k8s\0'), text(1, 'x')]));
    expect(reader.takePrefix(Buffer.from('k9s\0'))).toBe(false);
    expect(reader.takePrefix(Buffer.from('k8s\0'))).toBe(true);
    expect([reader.next(), reader.string()]).toEqual([1, 'x']);
    expect(new WireReader(Buffer.from('k8')).takePrefix(Buffer.from('k8s\0'))).toBe(false);
  });
});

describe('skipping', () => {
  it.each([
    ['a number', number(1, 2 ** 40)],
    ['eight bytes', fixed.eight(1)],
    ['a text', text(1, 'x'.repeat(300))],
    ['four bytes', fixed.four(1)],
    ['the largest field number', Buffer.concat([number(1, 1), number(2 ** 29 - 1, 1)])],
  ])('goes past %s', (_, unknown) => {
    const reader = new WireReader(Buffer.concat([unknown, text(2, 'known')]));
    let field = reader.next();
    for (; field !== 2; field = reader.next()) reader.skip();
    expect(reader.string()).toBe('known');
    expect(reader.next()).toBe(0);
  });
});

/** Goes through all fields, and into those that are delimited. */
function walk(reader: WireReader): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) walk(reader.value());
    else if (field === 2) reader.sharedString();
    else if (field === 3) reader.int64();
    else reader.skip();
  }
}

describe('what is no message', () => {
  it.each([
    ['a number that goes on', Buffer.concat([key(1, 0), Buffer.from([0x80])]), 'expected more bytes, found the end'],
    ['a number of 65 bits', Buffer.concat([key(1, 0), Buffer.alloc(9, 0xff), Buffer.from([2])]), 'at most 64 bits'],
    ['a number of eleven bytes', Buffer.concat([key(1, 0), Buffer.alloc(10, 0x80), Buffer.from([0])]), 'at most 64'],
    ['a text that is longer than the rest', Buffer.concat([key(1, 2), varint(5), Buffer.from('abcd')]), '4 bytes'],
    ['a length of 2^31', Buffer.concat([key(1, 2), varint(2 ** 31)]), 'a longer one'],
    ['a length of 2^63', Buffer.concat([key(1, 2), varint(2n ** 63n)]), 'a longer one'],
    ['a negative length', Buffer.concat([key(1, 2), varint(-1)]), 'a longer one'],
    ['four bytes that are three', Buffer.concat([key(1, 5), Buffer.alloc(3)]), 'expected 4 bytes, found 3'],
    ['eight bytes that are none', key(1, 1), 'expected 8 bytes, found 0'],
    ['a group', key(1, 3), 'a wire type that is in use, found 3'],
    ['wire type 7', key(1, 7), 'a wire type that is in use, found 7'],
  ])('%s is an error', (_, message, expected) => {
    expect(() => at(message).skip()).toThrow(expected);
  });

  it.each([
    ['field 0', Buffer.from([0x02, 0x00])],
    ['a field number of 40 bits', varint(2n ** 43n)],
  ])('%s is an error', (_, message) => {
    expect(() => new WireReader(message).next()).toThrow('expected the number of a field');
  });

  it('a value of another wire type is an error', () => {
    expect(() => at(text(1, 'x')).int32()).toThrow('expected wire type 0, found 2');
    expect(() => at(text(1, 'x')).int64()).toThrow('expected wire type 0');
    expect(() => at(text(1, 'x')).boolean()).toThrow('expected wire type 0');
    expect(() => at(number(1, 1)).string()).toThrow('expected wire type 2, found 0');
    expect(() => at(number(1, 1)).sharedString()).toThrow('expected wire type 2');
    expect(() => at(fixed.four(1)).enter()).toThrow('expected wire type 2, found 5');
    expect(() => at(fixed.eight(1)).value()).toThrow('expected wire type 2, found 1');
  });

  it('a message within cannot be longer than what holds it', () => {
    const reader = at(bytes(1, Buffer.concat([key(1, 2), varint(3)])), text(2, 'abc'));
    reader.enter();
    expect(reader.next()).toBe(1);
    expect(() => reader.string()).toThrow('expected a value within the 0 bytes');
  });

  it('any cut is an error or the end of a field, and any bytes at all end', () => {
    const whole = Buffer.concat([bytes(1, text(2, 'abc'), number(3, 300)), text(2, 'x'), fixed.four(4), number(3, 1)]);
    for (let length = 0; length < whole.length; length++) ends(whole.subarray(0, length));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => ends(Buffer.from(garbage))));
  });
});

function ends(message: Buffer): void {
  try {
    walk(new WireReader(message));
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
  }
}

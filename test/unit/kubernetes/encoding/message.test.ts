import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  boolean,
  encoded,
  int32,
  intOrString,
  jsonMessage,
  list,
  message,
  only,
  sharedString,
  string,
  strings,
  time,
  type Message,
} from '../../../../src/kubernetes/encoding/message.ts';
import { WireReader } from '../../../../src/kubernetes/encoding/wire-reader.ts';
import { bytes, entry, fixed, key, number, text, varint } from './bytes.ts';

const PART = message({ name: [1, string], size: [2, int32] });
const TABLE = message({
  name: [1, string],
  node: [2, sharedString],
  size: [3, int32],
  isOn: [4, boolean],
  labels: [5, strings((key) => !key.startsWith('x'))],
  part: [6, PART],
  parts: [7, list(PART)],
  texts: [8, list(string)],
  at: [9, time],
  port: [10, intOrString],
  ip: [11, only('ip', 1, string)],
});
const EMPTY = {
  name: '',
  node: '',
  size: undefined,
  isOn: undefined,
  labels: new Map(),
  part: { name: '', size: undefined },
  parts: [],
  texts: [],
  at: '',
  port: '',
  ip: '',
};

const ofJson = <V>(table: Message<V>, value: unknown): V => jsonMessage(value).as(table);
const ofWire = <V>(table: Message<V>, ...fields: Uint8Array[]): V => new WireReader(Buffer.concat(fields)).as(table);

describe('a table of fields', () => {
  it('reads both encodings, and steps over what it does not have', () => {
    const expected = {
      name: 'orders',
      node: 'worker-1',
      size: -7,
      isOn: false,
      labels: new Map([
        ['app', 'orders'],
        ['empty', ''],
      ]),
      part: { name: 'p', size: undefined },
      parts: [
        { name: 'a', size: 1 },
        { name: '', size: undefined },
      ],
      texts: ['x', 'ä€😀'],
      at: '2026-10-20T10:00:00Z',
      port: 'http',
      ip: '10.1.0.7',
    };
    const json = {
      name: 'orders',
      managedFields: [{ manager: 'kubelet' }],
      node: 'worker-1',
      size: -7,
      isOn: false,
      labels: { app: 'orders', xtra: '1', empty: '' },
      part: { name: 'p' },
      parts: [{ name: 'a', size: 1 }, {}],
      texts: ['x', 'ä€😀'],
      at: '2026-10-20T10:00:00Z',
      port: 'http',
      ip: { ip: '10.1.0.7', other: 1 },
    };
    expect(ofJson(TABLE, json)).toEqual(expected);
    const fields = [
      text(1, 'orders'),
      bytes(17, text(1, 'kubelet')),
      fixed.eight(18),
      text(2, 'worker-1'),
      number(3, -7),
      fixed.four(19),
      number(4, 0),
      entry(5, 'app', 'orders'),
      entry(5, 'xtra', '1'),
      bytes(5, text(2, ''), text(1, 'empty')),
      bytes(6, text(1, 'p'), number(3, 1)),
      bytes(7, text(1, 'a'), number(2, 1)),
      bytes(7),
      text(8, 'x'),
      text(8, 'ä€😀'),
      bytes(9, number(1, 1_792_490_400), number(2, 999)),
      bytes(10, number(1, 1), number(2, 0), text(3, 'http')),
      bytes(11, number(2, 1), text(1, '10.1.0.7')),
    ];
    expect(ofWire(TABLE, ...fields)).toEqual(expected);
    expect(ofWire(TABLE, ...fields.toReversed())).toEqual({
      ...expected,
      parts: expected.parts.toReversed(),
      texts: expected.texts.toReversed(),
    });
  });

  it('reads what is not there as empty', () => {
    expect(ofWire(TABLE)).toEqual(EMPTY);
    for (const nothing of [{}, [], null, undefined, 'x', 7]) expect(ofJson(TABLE, nothing)).toEqual(EMPTY);
    for (const wrong of [null, {}, [], [null, 7], { ip: 7 }])
      expect(ofJson(TABLE, Object.fromEntries(Object.keys(EMPTY).map((name) => [name, wrong])))).toMatchObject({
        ...EMPTY,
        parts: expect.anything() as unknown,
      });
  });

  it('never gives one reading to another', () => {
    ofWire(TABLE, text(8, 'x'), entry(5, 'a', 'b'), bytes(6, text(1, 'p')));
    ofJson(TABLE, { texts: ['x'], labels: { a: 'b' }, part: { name: 'p' } });
    expect(ofWire(TABLE)).toEqual(EMPTY);
    expect(ofJson(TABLE, {})).toEqual(EMPTY);
  });

  it('reads the same out of both encodings, whatever they say', () => {
    const part = fc.record({ name: fc.string(), size: fc.integer() }, { requiredKeys: [] });
    const value = fc.record(
      {
        name: fc.string({ unit: 'binary' }),
        size: fc.integer(),
        isOn: fc.boolean(),
        labels: fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { noNullPrototype: true }),
        part,
        parts: fc.array(part),
        texts: fc.array(fc.string({ minLength: 1 })),
      },
      { requiredKeys: [] },
    );
    const partOf = ({ name, size }: { name?: string; size?: number }) => [
      ...(name === undefined ? [] : [text(1, name)]),
      ...(size === undefined ? [] : [number(2, size)]),
    ];
    fc.assert(
      fc.property(value, ({ name, size, isOn, labels = {}, part, parts = [], texts = [] }) => {
        const fields = [
          ...(name === undefined ? [] : [text(1, name)]),
          ...(size === undefined ? [] : [number(3, size)]),
          ...(isOn === undefined ? [] : [number(4, Number(isOn))]),
          ...Object.entries(labels).map(([key, value]) => entry(5, key, value)),
          ...(part === undefined ? [] : [bytes(6, ...partOf(part))]),
          ...parts.map((part) => bytes(7, ...partOf(part))),
          ...texts.map((each) => text(8, each)),
        ];
        expect(ofWire(TABLE, ...fields)).toEqual(ofJson(TABLE, { name, size, isOn, labels, part, parts, texts }));
      }),
    );
  });

  it('reads a part later, and as often as somebody asks', () => {
    const LATER = message({ parts: [7, list(encoded)] });
    for (const { parts } of [
      ofJson(LATER, { parts: [{ name: 'a', size: 1 }, null] }),
      ofWire(LATER, bytes(7, text(1, 'a'), number(2, 1))),
    ]) {
      expect(parts.map((part) => part.as(PART))).toEqual([{ name: 'a', size: 1 }]);
      expect(parts.map((part) => part.as(only('size', 2, int32)))).toEqual([1]);
    }
  });

  it('is an error when a field has another wire type, or is cut off', () => {
    expect(() => ofWire(TABLE, number(1, 1))).toThrow('expected wire type 2, found 0');
    expect(() => ofWire(TABLE, text(1, 'orders').subarray(0, 5))).toThrow('expected a value within');
  });
});

describe('a time', () => {
  const read = (...fields: Uint8Array[]) => ofWire(only('at', 1, time), bytes(1, ...fields));

  it.each([
    ['zero, as null is in JSON', [], ''],
    ['of the epoch', [number(1, 0)], '1970-01-01T00:00:00Z'],
    ['before it', [number(1, -1), number(2, 0)], '1969-12-31T23:59:59Z'],
    ['with a fraction, which JSON does not have', [number(1, 1), number(2, 999_999_999)], '1970-01-01T00:00:01Z'],
    ['far away', [number(1, 253_402_300_799)], '9999-12-31T23:59:59Z'],
  ])('%s', (_, fields, expected) => {
    expect(read(...fields)).toBe(expected);
  });

  it('that no calendar has is an error', () => {
    expect(() => read(number(1, 2n ** 62n))).toThrow('expected a year of four digits');
    expect(() => read(number(1, 253_402_300_800))).toThrow('expected a year of four digits');
  });
});

describe('an IntOrString', () => {
  it.each([
    ['a number', 8080, [number(1, 0), number(2, 8080), text(3, '')], '8080'],
    ['zero', 0, [number(1, 0), number(2, 0), text(3, '')], '0'],
    ['a name', 'http', [number(1, 1), number(2, 0), text(3, 'http')], 'http'],
    ['an empty name', '', [number(1, 1), number(2, 0), text(3, '')], ''],
  ])('%s', (_, json, wire, expected) => {
    expect(ofJson(only('port', 1, intOrString), { port: json })).toBe(expected);
    expect(ofWire(only('port', 1, intOrString), bytes(1, ...wire))).toBe(expected);
  });
});

it('the bytes that tests write are those of the format', () => {
  expect([...varint(300)]).toEqual([0xac, 0x02]);
  expect([...key(2, 2)]).toEqual([0x12]);
  expect([...text(2, 'testing')]).toEqual([0x12, 7, ...Buffer.from('testing')]);
});

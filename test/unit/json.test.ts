import { describe, expect, it } from '@jest/globals';
import {
  arrayField,
  booleanField,
  describe as describeValue,
  escapeControls,
  escapeLines,
  expectArray,
  expectObject,
  isObject,
  numberField,
  objectField,
  stringField,
  stringListField,
  stringMapField,
  type JsonObject,
} from '../../src/json.ts';

const parse = (text: string) => JSON.parse(text) as JsonObject;

/** One object that has every JSON type under a key that says so. */
const everything = parse('{"s":"x","n":1.5,"b":false,"o":{"k":"v"},"a":["x",1,null],"z":null}');

describe('reading a field', () => {
  it.each([
    ['stringField', stringField, { s: 'x' }, ''],
    ['numberField', numberField, { n: 1.5 }, undefined],
    ['booleanField', booleanField, { b: false }, undefined],
    ['objectField', objectField, { o: { k: 'v' } }, {}],
    ['arrayField', arrayField, { a: ['x', 1, null] }, []],
  ] as const)('%s takes its own type and reads every other as its empty value', (_, read, own, empty) => {
    for (const key of [...Object.keys(everything), 'missing'])
      expect([key, read(everything, key)]).toEqual([key, (own as JsonObject)[key] ?? empty]);
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('%s is missing unless it is data', (key) => {
    expect(stringField({}, key)).toBe('');
    expect(objectField({}, key)).toEqual({});
    expect(stringField(parse(`{"${key}":"data"}`), key)).toBe('data');
  });

  it('is about own fields: an inherited one is missing', () => {
    const heir = Object.create({ s: 'x', o: { k: 'v' }, a: [1] }) as JsonObject;
    expect([stringField(heir, 's'), objectField(heir, 'o'), arrayField(heir, 'a')]).toEqual(['', {}, []]);
  });

  it('a number that is none is missing', () => {
    expect(numberField({ n: NaN }, 'n')).toBeUndefined();
    expect(numberField({ n: Infinity }, 'n')).toBeUndefined();
  });
});

describe('stringMapField', () => {
  it('keeps the string entries', () => {
    const object = parse('{"m":{"a":"1","b":2,"c":null,"d":"4"}}');
    expect([...stringMapField(object, 'm')]).toEqual([
      ['a', '1'],
      ['d', '4'],
    ]);
  });

  it('takes a key like __proto__ for data', () => {
    const map = stringMapField(parse('{"m":{"__proto__":"x","constructor":"y"}}'), 'm');
    expect(map.get('__proto__')).toBe('x');
    expect(map.get('constructor')).toBe('y');
    expect(map.get('toString')).toBeUndefined();
  });

  it.each(['{}', '{"m":null}', '{"m":[]}', '{"m":"x"}'])('%s has no entries', (text) => {
    expect(stringMapField(parse(text), 'm').size).toBe(0);
  });
});

it('stringListField keeps the strings of a list', () => {
  expect(stringListField(everything, 'a')).toEqual(['x']);
  expect(stringListField(everything, 's')).toEqual([]);
});

describe('what must be an object or an array', () => {
  it('is returned as it is', () => {
    expect(expectObject(everything, 'pod')).toBe(everything);
    expect(expectArray([1], 'rows')).toEqual([1]);
  });

  it.each([
    [null, 'null'],
    [undefined, 'nothing'],
    [[], 'an array'],
    ['text', '"text"'],
    [7, '7'],
  ])('%p is no object, and the message says what was found', (value, found) => {
    expect(isObject(value)).toBe(false);
    expect(() => expectObject(value, 'pod')).toThrow(new TypeError(`read pod: expected an object, found ${found}`));
  });

  it.each([
    [{}, 'an object'],
    [true, 'true'],
  ])('%p is no array, and the message says what was found', (value, found) => {
    expect(() => expectArray(value, 'rows')).toThrow(new TypeError(`read rows: expected an array, found ${found}`));
  });
});

describe('describing a value', () => {
  it('shortens long text', () => {
    expect(describeValue('x'.repeat(500))).toHaveLength(131);
  });

  it.each([
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
    [-Infinity, '-Infinity'],
  ])('%p is not null', (value, text) => {
    expect(describeValue(value)).toBe(text);
  });
});

describe('text of others', () => {
  it.each([
    ['a line break', 'a\r\nb', 'a\\u000d\\u000ab'],
    ['an escape sequence', 'a\u001b[31m', 'a\\u001b[31m'],
    ['a control character beyond ASCII', 'a\u009b31m', 'a\\u009b31m'],
    ['a separator of lines or paragraphs', 'a\u2028b\u2029c', 'a\\u2028b\\u2029c'],
    ['a mark of direction', '\u202eabc\u2066\u061c', '\\u202eabc\\u2066\\u061c'],
    ['an invisible character', 'a\u200bb\ufeffc\u2060', 'a\\u200bb\\ufeffc\\u2060'],
    ['an invisible character beyond the first 65 536', 'a\u{e0041}', 'a\\udb40\\udc41'],
    ['nothing of the kind', 'zażółć "日本" 🚀 \\u0041', 'zażółć "日本" 🚀 \\u0041'],
  ])('is shown with %s', (_, text, shown) => {
    expect(escapeControls(text)).toBe(shown);
  });

  it('keeps its lines where it has lines of its own', () => {
    expect(escapeLines('a\n\tb\u202e')).toBe('a\n\\u0009b\\u202e');
  });

  it('is the same JSON when JSON is escaped', () => {
    const value = { 'key\u202e': ['a\u2028b', '\u{e0041}', 'x\ny'] };
    const text = escapeLines(JSON.stringify(value, null, 2));
    expect(JSON.parse(text)).toEqual(value);
    expect(text).not.toMatch(/[\p{Cf}\p{Zl}\p{Zp}]/u);
  });
});

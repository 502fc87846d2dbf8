import { isObject } from '../../json.ts';
import { NO_STRINGS, NONE, sharedBytes, sharedText } from './shared.ts';
import type { WireReader } from './wire-reader.ts';

/**
 * One table of fields serves both encodings of the Kubernetes API: a field has its name in JSON, its number in protobuf
 * and a type that reads it out of either. Fields that are in no table are stepped over, in protobuf without a look.
 * Nothing is assumed of JSON: a missing or ill-typed field reads as its empty value, and only own fields are looked at.
 */
export interface Type<V> {
  /** The value of a field that is not there. */
  readonly empty: V;
  json(value: unknown): V;
  /** Takes one occurrence of the field; `before` is the value so far, for what may occur more than once. */
  protobuf(wire: WireReader, before: V): V;
}

export interface Message<V> extends Type<V> {
  /** All that is left to read is this message. */
  whole(wire: WireReader): V;
}

/** The value that a type reads. */
export type ValueOf<T> = T extends Type<infer V> ? V : never;

type Fields = Readonly<Record<string, readonly [number: number, type: Type<unknown>]>>;
type Values<F extends Fields> = { readonly [Name in keyof F]: ValueOf<F[Name][1]> };

/** A table of fields: `{ name: [1, string] }`. */
export function message<F extends Fields>(table: F): Message<Values<F>> {
  const fields = Object.entries(table).map(([name, [number, type]]) => ({ name, number, type }));
  const byNumber: ((typeof fields)[number] | undefined)[] = [];
  for (const field of fields) byNumber[field.number] = field;
  const empty: Readonly<Record<string, unknown>> = Object.fromEntries(
    fields.map(({ name, type }) => [name, type.empty]),
  );

  function whole(wire: WireReader) {
    const values = { ...empty };
    for (let number = wire.next(); number !== 0; number = wire.next()) {
      const field = byNumber[number];
      if (field) values[field.name] = field.type.protobuf(wire, values[field.name]);
      else wire.skip();
    }
    return values as Values<F>;
  }

  return {
    empty: empty as Values<F>,
    json(value) {
      if (!isObject(value)) return empty as Values<F>;
      const values = { ...empty };
      for (const { name, type } of fields) if (Object.hasOwn(value, name)) values[name] = type.json(value[name]);
      return values as Values<F>;
    },
    protobuf(wire) {
      const outerEnd = wire.enter();
      const values = whole(wire);
      wire.leave(outerEnd);
      return values;
    },
    whole,
  };
}

/** A message of which one field counts: its value stands for the message. */
export function only<V>(name: string, number: number, type: Type<V>): Message<V> {
  function whole(wire: WireReader): V {
    let value = type.empty;
    for (let next = wire.next(); next !== 0; next = wire.next()) {
      if (next === number) value = type.protobuf(wire, value);
      else wire.skip();
    }
    return value;
  }
  return {
    empty: type.empty,
    json: (value) => (isObject(value) && Object.hasOwn(value, name) ? type.json(value[name]) : type.empty),
    protobuf(wire) {
      const outerEnd = wire.enter();
      const value = whole(wire);
      wire.leave(outerEnd);
      return value;
    },
    whole,
  };
}

/** A repeated field. Entries of the wrong type are left out, and so are empty texts. */
export function list<V>(type: Type<V>): Type<readonly V[]> {
  return {
    empty: NONE,
    json: (value) =>
      Array.isArray(value) ? value.map((entry) => type.json(entry)).filter((entry) => entry !== type.empty) : NONE,
    protobuf(wire, before) {
      const entry = type.protobuf(wire, type.empty);
      if (entry === type.empty) return before;
      if (before === NONE) return [entry];
      (before as V[]).push(entry);
      return before;
    },
  };
}

export const string: Type<string> = {
  empty: '',
  json: (value) => (typeof value === 'string' ? value : ''),
  protobuf: (wire) => wire.string(),
};

/** A text that is likely to repeat. */
export const sharedString: Type<string> = {
  empty: '',
  json: (value) => (typeof value === 'string' ? sharedText(value) : ''),
  protobuf: (wire) => wire.sharedString(),
};

export const int32: Type<number | undefined> = {
  empty: undefined,
  json: (value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  protobuf: (wire) => wire.int32(),
};

export const boolean: Type<boolean | undefined> = {
  empty: undefined,
  json: (value) => (typeof value === 'boolean' ? value : undefined),
  protobuf: (wire) => wire.boolean(),
};

/** A map of texts, with the entries that `keep` wants; the values of the others are not even decoded. */
export function strings(keep: (key: string) => boolean = () => true): Type<ReadonlyMap<string, string>> {
  return {
    empty: NO_STRINGS,
    json(value) {
      if (!isObject(value)) return NO_STRINGS;
      const map = new Map<string, string>();
      for (const [key, text] of Object.entries(value))
        if (typeof text === 'string' && keep(key)) map.set(sharedText(key), sharedText(text));
      return map;
    },
    protobuf(wire, before) {
      let key = '';
      let value = '';
      const outerEnd = wire.enter();
      for (let number = wire.next(); number !== 0; number = wire.next()) {
        if (number === 1) key = wire.sharedString();
        else if (number === 2 && (key === '' || keep(key))) value = wire.sharedString();
        else wire.skip();
      }
      wire.leave(outerEnd);
      if (!keep(key)) return before;
      const map = before === NO_STRINGS ? new Map<string, string>() : (before as Map<string, string>);
      return map.set(key, value);
    },
  };
}

const int64: Type<number | undefined> = { ...int32, protobuf: (wire) => wire.int64() };
const SECONDS = only('seconds', 1, int64);
/** The times that can be written with four digits for the year, which is all that the API server takes. */
const YEAR_1 = Date.parse('0001-01-01T00:00:00Z') / 1000;
const YEAR_10000 = Date.UTC(10_000, 0, 1) / 1000;
/** `2026-10-20T10:00:00Z`, written into to be looked up without making a text first. */
const clockFace = Buffer.from('0000-00-00T00:00:00Z', 'latin1');

/** A metav1.Time as JSON has it: whole seconds. The zero time is null there, and an empty message in protobuf. */
export const time: Type<string> = {
  empty: '',
  json: (value) => sharedString.json(value),
  protobuf(wire) {
    const seconds = SECONDS.protobuf(wire, undefined);
    if (seconds === undefined) return '';
    if (seconds < YEAR_1 || seconds >= YEAR_10000)
      throw new TypeError(`read time: expected a year of four digits, found ${seconds} s after 1970`);
    clockFace.write(new Date(seconds * 1000).toISOString(), 0, 19, 'latin1');
    return sharedBytes(clockFace, 0, clockFace.length);
  },
};

const INT_OR_STRING = message({ type: [1, int32], intVal: [2, int32], strVal: [3, string] });

/** An IntOrString; numbers are given in digits. */
export const intOrString: Type<string> = {
  empty: '',
  json: (value) => string.json(value) || String(int32.json(value) ?? ''),
  protobuf(wire) {
    const { type = 0, intVal = 0, strVal } = INT_OR_STRING.protobuf(wire, INT_OR_STRING.empty);
    return type === 0 ? String(intVal) : strVal;
  },
};

/**
 * A message that nobody has read yet; in protobuf a WireReader. Each table reads its own fields out of it, and what no
 * table asks for costs nothing.
 */
export interface Encoded {
  as<V>(table: Message<V>): V;
}

export function jsonMessage(value: unknown): Encoded {
  return { as: (table) => table.json(value) };
}

const NOTHING: Encoded = jsonMessage(undefined);

/** A field that is a message, to be read later or not at all. */
export const encoded: Type<Encoded> = {
  empty: NOTHING,
  json: (value) => (isObject(value) ? jsonMessage(value) : NOTHING),
  protobuf: (wire) => wire.value(),
};

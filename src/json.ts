/**
 * Reads fields of JSON that somebody else wrote. Nothing is assumed: a missing or ill-typed field reads as its empty
 * value, and what cannot be an object at all is an error for that object alone. Only own, known fields are looked at,
 * so keys like `__proto__` are data, never behaviour.
 */
export type JsonObject = Readonly<Record<string, unknown>>;

const EMPTY: JsonObject = Object.freeze({});
const NO_STRINGS: ReadonlyMap<string, string> = new Map();

/** The object that the text says; undefined where it says anything else. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(object: JsonObject, field: string): unknown {
  return Object.hasOwn(object, field) ? object[field] : undefined;
}

/** @throws TypeError when the value is not a JSON object; `what` names it in the message. */
export function expectObject(value: unknown, what: string): JsonObject {
  if (!isObject(value)) throw new TypeError(`read ${what}: expected an object, found ${describe(value)}`);
  return value;
}

/** @throws TypeError when the value is not a JSON array; `what` names it in the message. */
export function expectArray(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`read ${what}: expected an array, found ${describe(value)}`);
  return value as readonly unknown[];
}

export function objectField(object: JsonObject, field: string): JsonObject {
  const value = own(object, field);
  return isObject(value) ? value : EMPTY;
}

export function arrayField(object: JsonObject, field: string): readonly unknown[] {
  const value = own(object, field);
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function stringField(object: JsonObject, field: string): string {
  const value = own(object, field);
  return typeof value === 'string' ? value : '';
}

export function numberField(object: JsonObject, field: string): number | undefined {
  const value = own(object, field);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function booleanField(object: JsonObject, field: string): boolean | undefined {
  const value = own(object, field);
  return typeof value === 'boolean' ? value : undefined;
}

/** The string entries of a JSON object, in a Map: safe for any key. */
export function stringMapField(object: JsonObject, field: string): ReadonlyMap<string, string> {
  let map: Map<string, string> | undefined;
  for (const [key, value] of Object.entries(objectField(object, field))) {
    if (typeof value === 'string') (map ??= new Map()).set(key, value);
  }
  return map ?? NO_STRINGS;
}

export function stringListField(object: JsonObject, field: string): readonly string[] {
  return arrayField(object, field).filter((value) => typeof value === 'string');
}

/** What a value is, in a few words, for messages that say what was found. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  // JSON has no NaN and no infinity and writes null for both; YAML has them.
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 128 ? `${text.slice(0, 128)}...` : text;
}

/** Controls, marks of direction and other invisible characters, and separators of lines and paragraphs. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text of other systems for people to read: one line, in which such characters are shown, not obeyed. */
export function escapeControls(text: string): string {
  return text.replace(OBEYED, (character) => character.split('').map(escapeUnit).join(''));
}

/** The same for text with lines of its own: JSON with indents, or a list of problems. JSON stays the same JSON by it. */
export function escapeLines(text: string): string {
  return text.split('\n').map(escapeControls).join('\n');
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

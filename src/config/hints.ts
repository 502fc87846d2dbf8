import { isIP } from 'node:net';
import * as z from 'zod';
import { arrayField, isObject, objectField, type JsonObject } from '../json.ts';
import { nearest } from '../spelling.ts';

/** What somebody most likely meant who wrote something else; undefined where there is no telling. */

/** Settings that tools beside Consular have, or that people expect, by their path. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'consul.token': 'use consul.tokenFile, or the variable CONSUL_HTTP_TOKEN: a token has no place in this file',
};

/** For an unknown setting. @param path that of the section, @param schema of the whole configuration */
export function hintForKey(schema: z.ZodType, path: readonly PropertyKey[], key: string): string | undefined {
  const name = [...path, key].join('.');
  if (Object.hasOwn(OTHER_NAMES, name)) return OTHER_NAMES[name];
  const whole: JsonObject = z.toJSONSchema(schema, { io: 'input' });
  const near = nearest(key, Object.keys(objectField(sectionAt(whole, path), 'properties')));
  if (near !== undefined) return meant(near);
  // The right name in the wrong section.
  const elsewhere = pathsOf(whole).filter((known) => known === key || known.endsWith(`.${key}`));
  return elsewhere.length === 0 ? undefined : meant(elsewhere.slice(0, MOST_PLACES).join(' or '));
}

/** A name that more sections have says nothing. */
const MOST_PLACES = 3;

/**
 * For a value.
 * @param isRight whether the setting may have that value: nothing else is proposed
 * @param choices the values that may be chosen from, if so
 */
export function hintForValue(
  found: unknown,
  isRight: (value: unknown) => boolean,
  choices: readonly unknown[] = [],
): string | undefined {
  const words = choices.filter((choice) => typeof choice === 'string');
  const likely = [...likelyValues(found), ...(typeof found === 'string' ? [likelyWord(found, words)] : [])];
  const right = likely.find((value) => value !== undefined && isRight(value));
  return right === undefined ? undefined : meant(shown(right));
}

const meant = (likely: string) => `did you mean ${likely}?`;

/** `warning` for `warn`, or a slip of the pen. */
function likelyWord(found: string, words: readonly string[]): string | undefined {
  const isBegun = (word: string) =>
    word.length > 2 && found.length > 2 && (found.startsWith(word) || word.startsWith(found));
  return words.find(isBegun) ?? nearest(found, words);
}

/** What is worth trying in the place of a value, the most likely first. */
function likelyValues(found: unknown): unknown[] {
  if (isObject(found)) return [arrayField(found, 'include')].filter(isNames);
  if (Array.isArray(found)) return isNames(found) ? [{ include: found }] : [];
  if (typeof found === 'boolean') return [String(found)];
  if (typeof found !== 'number' && typeof found !== 'string') return [];
  const text = String(found).trim();
  if (text === '' || text.length > LONGEST_TRIED) return [];
  return [
    ...(typeof found === 'number' ? [text] : []),
    ...(/^(true|yes|on|1)$/i.test(text) ? [true] : []),
    ...(/^(false|no|off|0)$/i.test(text) ? [false] : []),
    ...(/^\d{1,9}$/.test(text) ? [Number(text)] : []),
    ...likelyDuration(text),
    // What other tools take for the address of a server, for one to listen on, and for a range.
    ...(text.includes('//') || /^\d+$/.test(text) ? [] : [likelyUrl(text)]),
    ...(/^\d+$/.test(text) ? [`0.0.0.0:${text}`] : []),
    ...(isIP(text) === 0 ? [] : [`${text}/${isIP(text) === 4 ? 32 : 128}`]),
    text.toLowerCase(),
    [text],
    { include: [text] },
  ];
}

/** The only URL of the settings is Consul's, whose own port nobody means to leave out. */
function likelyUrl(text: string): string {
  if (isIP(text) === 6) return `http://[${text}]:8500`;
  return /[:/]/.test(text) ? `http://${text}` : `http://${text}:8500`;
}

/** A longer value is no slip of the pen. */
const LONGEST_TRIED = 100;
/** By the units that people write. */
const SECONDS: ReadonlyMap<string, number> = new Map([
  ...(['', 's', 'sec', 'second', 'seconds'] as const).map((unit) => [unit, 1] as const),
  ...(['m', 'min', 'minute', 'minutes'] as const).map((unit) => [unit, 60] as const),
  ...(['h', 'hour', 'hours'] as const).map((unit) => [unit, 3600] as const),
  ...(['d', 'day', 'days'] as const).map((unit) => [unit, 86_400] as const),
  ['ms', 0.001],
]);

/** `60`, `60 s`, `1d`, `1.5h`. */
function likelyDuration(text: string): string[] {
  const [, amount, unit = ''] = /^(\d{1,7}(?:\.\d{1,3})?)\s*([a-z]*)$/i.exec(text) ?? [];
  const seconds = Number(amount) * (SECONDS.get(unit.toLowerCase()) ?? NaN);
  if (Number.isNaN(seconds)) return [];
  if (!Number.isInteger(seconds)) return [`${Math.round(seconds * 1000)}ms`];
  return [unit.toLowerCase().startsWith('d') ? `${seconds / 3600}h` : `${seconds}s`];
}

/** Names that are few and short enough to be shown again. */
function isNames(value: unknown): value is readonly string[] {
  const isName = (one: unknown) => typeof one === 'string' && one.length > 0 && one.length <= 64;
  return Array.isArray(value) && value.length > 0 && value.length <= 5 && value.every(isName);
}

/** As it would be written in the file. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
  if (isObject(value))
    return `{${Object.entries(value)
      .map(([key, inner]) => `${key}: ${shown(inner)}`)
      .join(', ')}}`;
  return typeof value === 'string' && (!PLAIN.test(value) || value === 'true' || value === 'false')
    ? JSON.stringify(value)
    : String(value);
}

/** Text that YAML needs no quotes for. */
const PLAIN = /^([A-Za-z][\w.:/-]*|\d+(ms|s|m|h)|[\d.]+[:/]\d+)$/;

function sectionAt(schema: JsonObject, path: readonly PropertyKey[]): JsonObject {
  return path.reduce<JsonObject>(
    (section, step) =>
      typeof step === 'number'
        ? objectField(section, 'items')
        : objectField(objectField(section, 'properties'), String(step)),
    schema,
  );
}

/** Of all settings, with dots. */
function pathsOf(section: JsonObject, path = ''): string[] {
  return Object.entries(objectField(section, 'properties')).flatMap(([key, inner]) => [
    `${path}${key}`,
    ...(isObject(inner) ? pathsOf(inner, `${path}${key}.`) : []),
  ]);
}

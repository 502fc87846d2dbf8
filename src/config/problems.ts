import type * as z from 'zod';
import { describe, isObject } from '../json.ts';
import { hintForKey, hintForValue } from './hints.ts';

/** A problem of one setting. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  /** Whether the setting should not be there at all, or has a wrong value. */
  readonly of: 'key' | 'value';
  /** Path, what was expected, what was found, and what was most likely meant. */
  readonly message: string;
}

/** What a setting has to be, in words, where the schema does not say it in words of its own. */
export function explainExpected(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return article(issue.expected);
    case 'invalid_value':
      return issue.values.map((value) => String(value)).join(' or ');
    case 'too_small':
      return `at least ${String(issue.minimum)}${issue.origin === 'array' ? ' entry' : ''}`;
    case 'too_big':
      return `at most ${String(issue.maximum)}${issue.origin === 'string' ? ' characters' : ''}`;
    default:
      return 'something else';
  }
}

/** @param raw what was judged, @param schema by which */
export function describeIssue(issue: z.core.$ZodIssue, raw: unknown, schema: z.ZodType): Problem[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const name = [...path, key].map(String).join('.');
      const hint = hintForKey(schema, path, key);
      return {
        path: [...path, key],
        of: 'key',
        message: `${name}: expected a known setting, found an unknown one${after(hint)}`,
      };
    });
  const where = path.length > 0 ? path.map(String).join('.') : '(top level)';
  const value = valueAt(raw, path);
  const message = `${where}: expected ${issue.message}, found`;
  if (isSecret(path, value)) return [{ path, of: 'value', message: `${message} what looks like a token itself` }];
  const found = withoutCredentials(describe(value));
  const isRight = (other: unknown) => !isWrongAt(path, schema.safeParse(withValueAt(raw, path, other)));
  const hint = hintForValue(value, isRight, issue.code === 'invalid_value' ? issue.values : []);
  return [{ path, of: 'value', message: `${message} ${found}${after(hint)}` }];
}

const after = (hint: string | undefined) => (hint === undefined ? '' : `; ${hint}`);

/** Text is refused there only for being a token. */
const isSecret = (path: readonly PropertyKey[], value: unknown) =>
  path.join('.') === 'consul.tokenFile' && typeof value === 'string';

/** A URL is refused for its credentials, and must not be shown with them. */
function withoutCredentials(text: string): string {
  return text.replace(/(\/\/|^")[^/@"]*@/, '$1...@');
}

function article(type: string): string {
  if (type === 'int') return 'a whole number';
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`;
}

function isWrongAt(path: readonly PropertyKey[], { error }: z.ZodSafeParseResult<unknown>): boolean {
  return error?.issues.some((issue) => path.every((step, depth) => issue.path[depth] === step)) ?? false;
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, step) => (hasStep(value, step) ? value[step] : undefined), raw);
}

/** The same with another value there. */
function withValueAt(raw: unknown, [step, ...rest]: readonly PropertyKey[], value: unknown): unknown {
  if (step === undefined) return value;
  const inner = withValueAt(hasStep(raw, step) ? raw[step] : undefined, rest, value);
  if (Array.isArray(raw)) return raw.map((item: unknown, i) => (i === step ? inner : item));
  return { ...(isObject(raw) ? raw : {}), [step]: inner };
}

function hasStep(value: unknown, step: PropertyKey): value is Record<PropertyKey, unknown> {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, step);
}

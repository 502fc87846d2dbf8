import { booleanField, numberField, parseObject, stringField } from '../json.ts';

/** As `Retained` makes them. */
const HASH = /^[0-9a-f]{8}$/;

export const HASH_FORM = '8 characters of 0-9 and a-f';

export function isHash(text: string): boolean {
  return HASH.test(text);
}

/** What somebody asks to be released. */
export interface ReleaseRequest {
  /** Each once, in their order. */
  readonly hashes: readonly string[];
  /** Lines that are no hash. */
  readonly malformed: readonly string[];
}

/** One hash a line; empty lines, and those that begin with `#`, ask for nothing. */
export function readReleaseRequest(text: string): ReleaseRequest {
  const lines = text.split('\n').map((line) => line.trim());
  const asked = new Set(lines.filter((line) => line !== '' && !line.startsWith('#')));
  return { hashes: [...asked].filter(isHash), malformed: [...asked].filter((line) => !isHash(line)) };
}

/** What became of one hash, in both directions together. */
export interface ReleaseOutcome {
  readonly hash: string;
  /** Whether anything was shown under it within the last hour. */
  readonly isKnown: boolean;
  /** Members that were let go. */
  readonly released: number;
  /** Members that were retained later than they were shown, and still are. */
  readonly staying: number;
}

/** For a machine to read; `readOutcome` reads it. */
export function writeOutcome({ hash, isKnown, released, staying }: ReleaseOutcome): string {
  return JSON.stringify({ hash, known: isKnown, released, staying });
}

/** Undefined for a text that no Consular wrote. */
export function readOutcome(text: string): ReleaseOutcome | undefined {
  const value = parseObject(text);
  if (!value) return undefined;
  const [released, staying] = [numberField(value, 'released'), numberField(value, 'staying')];
  const isKnown = booleanField(value, 'known');
  if (isKnown === undefined || released === undefined || staying === undefined) return undefined;
  return { hash: stringField(value, 'hash'), isKnown, released, staying };
}

/** For people. */
export function explainOutcome({ hash, isKnown, released, staying }: ReleaseOutcome): string {
  if (!isKnown) return `nothing is retained under ${hash}: nothing was shown under it within the last hour`;
  const later = staying === 0 ? '' : `; ${staying} more, retained since ${hash} was shown, stay`;
  if (released === 0) return `released nothing under ${hash}: what was shown under it is not retained any more${later}`;
  return `released ${released} under ${hash}${later}`;
}

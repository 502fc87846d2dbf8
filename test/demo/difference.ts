import { isDeepStrictEqual } from 'node:util';

/** The first place where two plain values differ, in words; undefined when they are equal. */
export function findDifference(expected: unknown, found: unknown, path = ''): string | undefined {
  if (isDeepStrictEqual(expected, found)) return undefined;
  if (isRecord(expected) && isRecord(found) && Array.isArray(expected) === Array.isArray(found)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      const difference = findDifference(expected[key], found[key], path === '' ? key : `${path}.${key}`);
      if (difference !== undefined) return difference;
    }
  }
  return `${path === '' ? '' : `${path}: `}expected ${show(expected)}, found ${show(found)}`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

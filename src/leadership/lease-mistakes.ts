import { ANNOTATION } from '../mark.ts';
import { nearest } from '../spelling.ts';

const OF_OPERATORS = [ANNOTATION.writes, ANNOTATION.release];
const ON_THE_LEASE: ReadonlySet<string> = new Set([
  ...OF_OPERATORS,
  ANNOTATION.released,
  ANNOTATION.epoch,
  ANNOTATION.nonce,
]);

/**
 * Annotations on the Lease by which somebody most likely meant to say something, and that nobody reads, a sentence each. Whoever stops
 * all writes with one letter too few would believe that they stopped.
 */
export function mistakesOnLease(annotations: ReadonlyMap<string, string>): string[] {
  const mistakes: string[] = [];
  for (const key of annotations.keys()) {
    if (ON_THE_LEASE.has(key)) continue;
    const meant = nearest(key, OF_OPERATORS);
    if (meant !== undefined)
      mistakes.push(`annotation ${key} on the Lease is not known and does nothing; ${meant} was meant, perhaps`);
  }
  return mistakes;
}

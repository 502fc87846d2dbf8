import type { Registration } from '../registration/registration.ts';
import type { OwnInstance } from './own-instance.ts';

/** One field of an instance that is not as it should be, as text for people. */
export interface Difference {
  readonly field: string;
  readonly desired: string;
  readonly observed: string;
}

/** Field by field: what the planner compares, and no more. */
export function differencesOf(
  desired: Registration,
  { registration: observed, checkIndex }: OwnInstance,
): Difference[] {
  const wanted = fieldsOf(desired);
  const found = fieldsOf(observed);
  if (checkIndex === 0) for (const field of CHECK_FIELDS) found.delete(field);
  return [...new Set([...wanted.keys(), ...found.keys()])].flatMap((field) => {
    const [a, b] = [wanted.get(field) ?? NONE, found.get(field) ?? NONE];
    return a === b ? [] : [{ field, desired: a, observed: b }];
  });
}

const NONE = '(none)';
const CHECK_FIELDS = ['check.status', 'check.notes'];

function fieldsOf(registration: Registration): Map<string, string> {
  const { service, address, port, taggedAddresses, weight, tags, meta, check } = registration;
  return new Map([
    ['service', service],
    ['address', address],
    ['port', String(port)],
    ...[...taggedAddresses].map(([key, value]) => [`taggedAddresses.${key}`, value] as const),
    ['weight', String(weight)],
    ['tags', JSON.stringify(tags)],
    ...[...meta].map(([key, value]) => [`meta.${key}`, JSON.stringify(value)] as const),
    ['check.status', check.status],
    ['check.notes', JSON.stringify(check.notes)],
  ]);
}

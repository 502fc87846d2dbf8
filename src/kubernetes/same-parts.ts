import type { KubernetesObject } from './objects.ts';

/**
 * The same object as it is now, with the fields of the earlier one where they say the same: most of what a new version says
 * was said before. It is the earlier object itself where nothing differs.
 * @param now made just now, so that nobody else has it: its fields are replaced
 */
export function withPartsOf<T extends KubernetesObject>(before: T, now: T): T {
  let isSame = Object.keys(before).length === Object.keys(now).length;
  for (const field of Object.keys(now) as (keyof T)[]) {
    if (before[field] === now[field] || says(before[field], now[field])) now[field] = before[field];
    else isSame = false;
  }
  return isSame ? before : now;
}

/** Whether two values of the kinds that objects are made of say the same, maps and objects in the same order. */
function says(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Map) return b instanceof Map && a.size === b.size && saysList([...a].flat(), [...b].flat());
  if (Array.isArray(a)) return Array.isArray(b) && saysList(a, b);
  return !(b instanceof Map) && !Array.isArray(b) && saysList(Object.entries(a), Object.entries(b));
}

function saysList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((entry, i) => says(entry, b[i]));
}

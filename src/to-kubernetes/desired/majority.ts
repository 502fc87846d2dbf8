import type { ServiceInstance } from '../../consul/types.ts';

/** A Service has one of each thing that its instances may differ in: most of them decide. */
export function saidByMost(
  instances: readonly ServiceInstance[],
  says: (instance: ServiceInstance) => boolean,
): boolean {
  return instances.filter(says).length * 2 > instances.length;
}

/** The smallest of the most frequent values, so that the order of answers does not matter. */
export function mostCommon<T extends string | number>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0];
}

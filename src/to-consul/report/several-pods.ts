/** Pods that are told the same. @param keys `namespace/name`, at least one */
export function severalPods(keys: readonly string[]): string {
  const [first = ''] = [...keys].sort();
  return keys.length === 1 ? `Pod ${first}` : `${keys.length} Pods, such as ${first}`;
}

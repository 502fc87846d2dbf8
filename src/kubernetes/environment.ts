import type { EnvVar, Pod } from './objects.ts';

/** Fields that a variable may refer to, and that are kept of a Pod. */
const FIELDS: ReadonlyMap<string, (pod: Pod) => string> = new Map([
  ['metadata.name', (pod) => pod.name],
  ['metadata.namespace', (pod) => pod.namespace],
  ['metadata.uid', (pod) => pod.uid],
  ['spec.nodeName', (pod) => pod.nodeName],
  ['status.hostIP', (pod) => pod.hostIP],
  ['status.podIP', (pod) => pod.podIPs[0] ?? ''],
  ['status.podIPs', (pod) => pod.podIPs.join(',')],
]);

/**
 * More than Linux gives to one variable. References can double a value with every line, so there is a limit to what they
 * may insert into the environment of a container; what comes after it is not readable.
 */
const MOST_INSERTED = 128 * 1024;

export interface EvaluatedVariable {
  readonly name: string;
  /** Undefined when the Pod does not say: a ConfigMap, a Secret or a field that is not kept may. */
  readonly value: string | undefined;
}

/**
 * The environment of a container as the kubelet makes it: `$(NAME)` is a variable further up, or else stays as it is, and
 * `$$` is a dollar. What refers to something unreadable is unreadable itself.
 */
export function evaluateEnvironment(env: readonly EnvVar[], pod: Pod): EvaluatedVariable[] {
  const known = new Map<string, string | undefined>();
  let inserted = 0;
  return env.map(({ name, value, fieldPath }) => {
    const found = fieldPath === undefined ? expand(value) : FIELDS.get(fieldPath)?.(pod);
    known.set(name, found);
    return { name, value: found };
  });

  function expand(text: string): string | undefined {
    let readable = true;
    // Behind the last bracket no reference ends; to look for the end of each `$(` there would take for ever.
    const end = text.lastIndexOf(')') + 1;
    const head = text.slice(0, end).replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) => {
      if (name === undefined) return '$';
      if (!known.has(name)) return whole;
      const value = known.get(name);
      inserted += value?.length ?? 0;
      if (value !== undefined && inserted <= MOST_INSERTED) return value;
      readable = false;
      return '';
    });
    return readable ? head + text.slice(end).replaceAll('$$', '$') : undefined;
  }
}

import type { Checked } from './types.ts';

/** Checks that are critical or warning, by `node/checkId`. */
export type ChecksInState = ReadonlyMap<string, Checked>;

/** What a change of health concerns: services by lower-case name, and nodes whose own check changed. */
export interface Concerned {
  readonly services: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
}

/** The checks that came into or left a state between two answers name what has to be read again. */
export function concernedBy(before: ChecksInState, now: ChecksInState): Concerned {
  const services = new Set<string>();
  const nodes = new Set<string>();
  const add = ({ node, service }: Checked) => {
    if (service === '') nodes.add(node);
    else services.add(service.toLowerCase());
  };
  for (const [check, checked] of now) if (!before.has(check)) add(checked);
  for (const [check, checked] of before) if (!now.has(check)) add(checked);
  return { services, nodes };
}

/** Checks that are critical or warning: `node/checkId` to the name of their service, empty for a check of the node itself. */
export type ChecksInState = ReadonlyMap<string, string>;

/** What a change of health concerns: services by lower-case name, and nodes whose own check changed. */
export interface Concerned {
  readonly services: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
}

/** The checks that came into or left a state between two answers name what has to be read again. */
export function concernedBy(before: ChecksInState, now: ChecksInState): Concerned {
  const services = new Set<string>();
  const nodes = new Set<string>();
  const add = (check: string, service: string) => {
    if (service === '') nodes.add(check.slice(0, check.indexOf('/')));
    else services.add(service.toLowerCase());
  };
  for (const [check, service] of now) if (!before.has(check)) add(check, service);
  for (const [check, service] of before) if (!now.has(check)) add(check, service);
  return { services, nodes };
}

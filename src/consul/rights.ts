/** A right to write that a token has or lacks, by the kinds and names of Consul's ACL rules. */
export interface ConsulRight {
  readonly resource: 'service' | 'node' | 'key';
  /** Of a service, a node or a key. */
  readonly name: string;
}

/** The same for the same right. Rules mind the case of names. */
export function rightId({ resource, name }: ConsulRight): string {
  return `${resource} ${name}`;
}

/** Whether Consul refused an operation because the token lacks a right to it. */
export function isDenial(what: string): boolean {
  return what.includes('Permission denied');
}

/**
 * The right that Consul says is missing: `Permission denied: token with AccessorID '...' lacks permission 'service:write' on
 * "orders"` (seen on 1.22.0); undefined for any other text.
 */
export function rightIn(what: string): ConsulRight | undefined {
  const [, resource, quoted] =
    /lacks permission '(service|node|key):(?:read|write)' on ("(?:[^"\\]|\\.)*")/.exec(what) ?? [];
  if (!isDenial(what) || quoted === undefined) return undefined;
  const name = unquote(quoted);
  return name === undefined ? undefined : { resource: resource as ConsulRight['resource'], name };
}

/** The rule of a policy that gives the right and no other, as Consul's HCL has it. */
export function ruleFor({ resource, name }: ConsulRight): string {
  return `${resource} ${JSON.stringify(name)} { policy = "write" }`;
}

function unquote(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

import { createHash } from 'node:crypto';

/** A Service name is a DNS-1035 label: it has at most 63 characters and begins with a letter. */
const LONGEST_NAME = 63;
const HASH_LENGTH = 8;

/**
 * A Consul service name as the name of a Kubernetes Service: lower case, anything but letters and digits a dash, no
 * dashes in a row or at the ends, a leading digit behind `s-`, too long ones cut and hashed. Different names can share a
 * Service name; `assignServiceName` says who gets it.
 */
export function toServiceName(name: string): string {
  const squeezed = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .replace(/-$/, '');
  // Nothing of the name is left (it was all other scripts, or punctuation): only the hash can tell it apart.
  if (squeezed === '') return `s-${hash(name)}`;
  const serviceName = /^[0-9]/.test(squeezed) ? `s-${squeezed}` : squeezed;
  return serviceName.length <= LONGEST_NAME ? serviceName : withHash(serviceName, name);
}

function hash(name: string): string {
  return createHash('sha256').update(name.toLowerCase()).digest('hex').slice(0, HASH_LENGTH);
}

/** The Service name for a Consul name that cannot have the plain one. */
export function toHashedServiceName(name: string): string {
  return withHash(toServiceName(name), name);
}

function withHash(serviceName: string, name: string): string {
  return `${serviceName.slice(0, LONGEST_NAME - HASH_LENGTH - 1).replace(/-$/, '')}-${hash(name)}`;
}

/**
 * The Service name that a Consul name gets among the names that want it.
 *
 * | the name already has a Service           | it keeps that one's name       |
 * | another name's Service has the plain name | the plain name with a hash     |
 * | nobody has it: the exact name, else the smallest | the plain name |
 * | everybody else                           | the plain name with a hash     |
 *
 * @param contenders lower-case Consul names that want that Service name and are mirrored, `name` among them
 * @param holds the name of the Service that a Consul name has now
 */
export function assignServiceName(
  name: string,
  contenders: readonly string[],
  holds: (name: string) => string | undefined,
): string {
  const held = holds(name);
  if (held !== undefined) return held;
  const serviceName = toServiceName(name);
  if (contenders.some((other) => other !== name && holds(other) === serviceName)) return withHash(serviceName, name);
  const first = contenders.includes(serviceName) ? serviceName : [...contenders].sort()[0];
  return first === undefined || first === name ? serviceName : withHash(serviceName, name);
}

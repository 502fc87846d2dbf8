import { createHash } from 'node:crypto';

/** A DNS-1035 label has at most 63 characters and begins with a letter. */
const LONGEST_LABEL = 63;
const HASH_LENGTH = 8;

/**
 * A Consul service name as the name of a Kubernetes Service: lower case, anything but letters and digits a dash, no
 * dashes in a row or at the ends, a leading digit behind `s-`, too long ones cut and hashed. Different names can share a
 * label; `assignLabel` says who gets it.
 */
export function toLabel(name: string): string {
  const squeezed = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .replace(/-$/, '');
  // Nothing of the name is left (it was all other scripts, or punctuation): only the hash can tell it apart.
  if (squeezed === '') return `s-${hash(name)}`;
  const label = /^[0-9]/.test(squeezed) ? `s-${squeezed}` : squeezed;
  return label.length <= LONGEST_LABEL ? label : withHash(label, name);
}

function hash(name: string): string {
  return createHash('sha256').update(name.toLowerCase()).digest('hex').slice(0, HASH_LENGTH);
}

/** The label for a name that cannot have the plain one. */
export function toHashedLabel(name: string): string {
  return withHash(toLabel(name), name);
}

function withHash(label: string, name: string): string {
  return `${label.slice(0, LONGEST_LABEL - HASH_LENGTH - 1).replace(/-$/, '')}-${hash(name)}`;
}

/**
 * The label that a name gets among the names that share it.
 *
 * | the name already has a Service           | it keeps that one's name       |
 * | another name's Service has the label     | the label with a hash          |
 * | nobody has it: the exact name, else the smallest | the label              |
 * | everybody else                           | the label with a hash          |
 *
 * @param contenders lower-case Consul names with that label that are mirrored, `name` among them
 * @param holds the name of the Service that a Consul name has now
 */
export function assignLabel(
  name: string,
  contenders: readonly string[],
  holds: (name: string) => string | undefined,
): string {
  const held = holds(name);
  if (held !== undefined) return held;
  const label = toLabel(name);
  if (contenders.some((other) => other !== name && holds(other) === label)) return withHash(label, name);
  const first = contenders.includes(label) ? label : [...contenders].sort()[0];
  return first === undefined || first === name ? label : withHash(label, name);
}

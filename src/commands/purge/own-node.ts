import type { CatalogService, NodeContents } from '../../consul/types.ts';
import { ownsInstance, ownsNode, type Owner } from '../../mark.ts';
import { entryId, ownNodeName } from '../../to-consul/identity/entry.ts';
import { podKeyOf, standsForNode } from '../../to-consul/registration/registration.ts';

/** A Consul node with our marks, judged: what of it is ours to remove. */
export interface OwnNode {
  readonly name: string;
  /** Those that go. */
  readonly instances: readonly CatalogService[];
  /** Why the node stays when these have gone; undefined when nothing else is on it. */
  readonly whyItStays: string | undefined;
}

/**
 * What goes of a Consul node. Nothing rests on one mark alone:
 *
 * | the node                                        | an instance on it                                  | outcome           |
 * |-------------------------------------------------|----------------------------------------------------|-------------------|
 * | lacks a mark of ours: managed-by, cluster or uid | any                                               | both stay         |
 * | has another name than those that we give        | any                                                | both stay         |
 * | has an agent (check `serfHealth`)               | any                                                | both stay         |
 * | is ours                                         | has an ID of our form, and our marks in its meta   | goes              |
 * | is ours                                         | has an ID of our form, and lacks a mark            | stays, so the node does too |
 * | is ours                                         | anything else                                      | stays, so the node does too |
 * | is ours                                         | none that stays, and no check but those of what goes | the node goes   |
 *
 * @returns undefined for a node that is not ours, or not for us to touch
 */
export function judgeNode(owner: Owner, { node, services, checks }: NodeContents): OwnNode | undefined {
  if (!ownsNode(owner, node.meta) || !hasOurName(owner, node.name)) return undefined;
  if (checks.some(({ checkId }) => checkId === 'serfHealth'))
    return { name: node.name, instances: [], whyItStays: 'it belongs to an agent (it has a serfHealth check)' };
  const instances = services.filter((service) => isOurs(owner, node.name, service));
  const going = new Set(instances.map(({ id }) => id.toLowerCase()));
  const others = services.filter(({ id }) => !going.has(id.toLowerCase()));
  const otherChecks = checks.filter(({ serviceId }) => !going.has(serviceId.toLowerCase()));
  return { name: node.name, instances, whyItStays: whyItStays(others, otherChecks) };
}

function hasOurName(owner: Owner, name: string): boolean {
  return name === ownNodeName(owner) || standsForNode(owner.cluster, name);
}

/** On our own node it is Consular's own entry alone; on every other one the instances of pods. */
function isOurs(owner: Owner, node: string, { id, meta }: CatalogService): boolean {
  if (!ownsInstance(owner, meta)) return false;
  return node === ownNodeName(owner) ? id === entryId(owner) : podKeyOf(owner.cluster, id) !== undefined;
}

/** At most so many of what others put there are named. */
const MOST_NAMED = 3;

function whyItStays(others: readonly CatalogService[], checks: readonly { readonly checkId: string }[]) {
  if (others.length > 0) {
    const names = others.slice(0, MOST_NAMED).map(({ id }) => id);
    const more = others.length > names.length ? `, and ${others.length - names.length} more` : '';
    return `there are instances on it without Consular's marks: ${names.join(', ')}${more}`;
  }
  const [check] = checks;
  return check && `there is a check on it that is not Consular's: ${check.checkId}`;
}

import type { Committed } from '../../consul/transaction.ts';
import { META } from '../../mark.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { ConsulNode, Registration } from '../registration/registration.ts';
import type { Group } from './group.ts';

/** Our picture of Consul, as far as a commit changes it. */
export interface OwnAfter {
  nodeWritten(node: ConsulNode, modifyIndex: number): void;
  written(instance: OwnInstance): void;
  removed(instance: OwnInstance): void;
}

/** Takes what was committed for one pod into our picture of the catalog. */
export function recordCommit(own: OwnAfter, { key, changes, operations }: Group, committed: Committed): void {
  for (const operation of operations) {
    if (!('Node' in operation)) continue;
    const { Node: name, Address: address } = operation.Node.Node;
    own.nodeWritten({ name, address }, committed.nodes.get(name) ?? 0);
  }
  // Removals first: a pod that moved has the same ID on another node.
  for (const observed of changes.remove) own.removed(observed);
  for (const registration of changes.create) own.written(instanceAfter(key, registration, undefined, committed));
  for (const { desired, observed } of changes.update) own.written(instanceAfter(key, desired, observed, committed));
}

/** What was not written keeps its index, and a check its output: an output alone is never written. */
function instanceAfter(
  podKey: string,
  registration: Registration,
  before: OwnInstance | undefined,
  { services, checks }: Committed,
): OwnInstance {
  const check = before && !checks.has(registration.id) ? before.registration.check : registration.check;
  return {
    registration: { ...registration, check },
    podKey,
    podUid: registration.meta.get(META.podUid) ?? '',
    serviceIndex: services.get(registration.id) ?? before?.serviceIndex ?? 0,
    checkIndex: checks.get(registration.id) ?? before?.checkIndex ?? 0,
  };
}

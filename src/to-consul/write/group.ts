import { operationList, type Operation, type OperationList } from '../../consul/transaction.ts';
import { isEmpty } from '../../reconcile/changes.ts';
import type { Owner } from '../../mark.ts';
import type { NodeState } from '../observed/own-instance.ts';
import { identityOf } from '../registration/registration.ts';
import type { LateWrites, OwnOfPods, Renewals } from './late-writes.ts';
import { EMPTY, exceeds, plus, sizeOf, type Limits } from './limits.ts';
import { nodeOperation, nodesNeeded, toOperations, type PodChanges } from './operations.ts';
import { piecesOf, together } from './parts.ts';

/** What is to be written for one key: operations that are applied together or not at all. */
export interface Group extends OperationList {
  readonly key: string;
  readonly changes: PodChanges;
  readonly operations: readonly Operation[];
  /** False for a part of what is more than a transaction: the key has to be composed again for the rest. */
  readonly isWhole: boolean;
}

/** Our picture of Consul, as far as a group is composed from it. */
export interface OwnBefore extends OwnOfPods {
  node(name: string): NodeState;
}

export interface GroupSource {
  readonly owner: Owner;
  readonly own: OwnBefore;
  /** What to write for a key, from the latest state. */
  readonly plan: (key: string) => PodChanges;
  /** Earlier writes that may still be applied. */
  readonly late: Pick<LateWrites, 'guard'>;
  /** Nodes that a transaction on its way is creating, and nodes that may be removed: keys that need such a node wait. */
  readonly closedNodes: ReadonlySet<string>;
}

/** @param nodesInBatch nodes that an earlier group of the same batch brings along */
export function composeGroup(
  key: string,
  source: GroupSource,
  nodesInBatch: ReadonlySet<string>,
): WholeGroup | 'nothing' | 'later' | Error {
  const { own, plan, late, closedNodes } = source;
  const { changes, renewals } = late.guard(key, plan(key), own);
  if (isEmpty(changes)) return 'nothing';
  for (const { name } of nodesNeeded(changes)) {
    if (closedNodes.has(name)) return 'later';
    const known = own.node(name);
    if (known.state === 'refused') return new Error(`register ${key}: ${known.why}`);
  }
  const operations = operationsOf(changes, renewals, source, nodesInBatch);
  // Only its node is not right, and an earlier group of this batch corrects that.
  if (operations.length === 0) return 'later';
  return { key, changes, renewals, isWhole: true, ...operationList(operations) };
}

/** A group before anybody asked whether it fits, with what moves the indexes of its instances. */
export interface WholeGroup extends Group {
  readonly renewals: Renewals;
}

/** The nodes that are not right come first, without those that are brought along already. */
function operationsOf(
  changes: PodChanges,
  renewals: Renewals,
  { owner, own }: GroupSource,
  brought: ReadonlySet<string>,
): Operation[] {
  const nodes = new Map<string, Operation>();
  for (const node of nodesNeeded(changes)) {
    const known = own.node(node.name);
    const isRight = known.state === 'ours' && known.isIntact && known.address === node.address;
    if (!isRight && !brought.has(node.name))
      nodes.set(node.name, nodeOperation(owner, node, known.state === 'ours' ? known.modifyIndex : 0));
  }
  const renewed = changes.update.flatMap(({ observed }) => renewals.get(identityOf(observed.registration)) ?? []);
  return [...nodes.values(), ...toOperations(changes), ...renewed];
}

/** As much of a group as goes into a transaction of its own, and one piece at least. */
export function partOf(
  { key, changes, renewals }: WholeGroup,
  source: GroupSource,
  limits: Limits,
  most: Limits,
): Group | Error {
  const taken: PodChanges[] = [];
  const operations: Operation[] = [];
  const nodes = new Set<string>();
  const pieces = piecesOf(changes);
  let sum = EMPTY;
  let tooLarge: Error | undefined;
  for (const piece of pieces) {
    const list = operationList(operationsOf(piece, renewals, source, nodes));
    const size = sizeOf(list);
    if (exceeds(plus(EMPTY, size), most)) {
      tooLarge ??= new Error(
        `write ${key} to Consul: ${size.operations} operations of ${size.bytes} bytes do not fit in one transaction`,
      );
      continue;
    }
    if (taken.length > 0 && exceeds(plus(sum, size), limits)) break;
    sum = plus(sum, size);
    taken.push(piece);
    operations.push(...list.operations);
    for (const { name } of nodesNeeded(piece)) nodes.add(name);
  }
  if (tooLarge && operations.length === 0) return tooLarge;
  return { key, changes: together(taken), isWhole: taken.length === pieces.length, ...operationList(operations) };
}

import { operationList, type Operation, type OperationList } from '../../consul/transaction.ts';
import { isEmpty } from '../../reconcile/changes.ts';
import type { Owner } from '../../mark.ts';
import type { NodeState } from '../observed/own-instance.ts';
import { EMPTY, exceeds, plus, sizeOf, type Limits } from './limits.ts';
import { nodeOperation, nodesNeeded, nodesTouched, toOperations, type PodChanges } from './operations.ts';
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
export interface OwnBefore {
  node(name: string): NodeState;
}

export interface GroupSource {
  readonly owner: Owner;
  readonly own: OwnBefore;
  /** What to write for a key, from the latest state. */
  readonly plan: (key: string) => PodChanges;
  /** What nothing is sent for, until somebody says that it may be. */
  readonly resting: { hasKey(key: string): boolean; hasNode(name: string): boolean };
  /** Nodes that a transaction on its way is creating: keys that need such a node wait. */
  readonly closedNodes: ReadonlySet<string>;
}

/** @param nodesInBatch nodes that an earlier group of the same batch brings along */
export function composeGroup(
  key: string,
  source: GroupSource,
  nodesInBatch: ReadonlySet<string>,
): Group | 'nothing' | 'later' | 'rests' | Error {
  const { own, plan, resting, closedNodes } = source;
  // What Consul has of it is not known: that nothing differs would mean nothing.
  if (resting.hasKey(key)) return 'rests';
  const changes = plan(key);
  if (isEmpty(changes)) return 'nothing';
  if (nodesTouched(changes).some((node) => resting.hasNode(node))) return 'rests';
  for (const { name } of nodesNeeded(changes)) {
    if (closedNodes.has(name)) return 'later';
    const known = own.node(name);
    if (known.state === 'refused') return new Error(`register ${key}: ${known.why}`);
  }
  const operations = operationsOf(changes, source, nodesInBatch);
  // Only its node is not right, and an earlier group of this batch corrects that.
  if (operations.length === 0) return 'later';
  return { key, changes, isWhole: true, ...operationList(operations) };
}

/** The nodes that are not right come first, without those that are brought along already. */
function operationsOf(changes: PodChanges, { owner, own }: GroupSource, brought: ReadonlySet<string>): Operation[] {
  const nodes = new Map<string, Operation>();
  for (const node of nodesNeeded(changes)) {
    const known = own.node(node.name);
    const isRight = known.state === 'ours' && known.isIntact && known.address === node.address;
    if (!isRight && !brought.has(node.name))
      nodes.set(node.name, nodeOperation(owner, node, known.state === 'ours' ? known.modifyIndex : 0));
  }
  return [...nodes.values(), ...toOperations(changes)];
}

/** As much of a group as goes into a transaction of its own, and one piece at least. */
export function partOf({ key, changes }: Group, source: GroupSource, limits: Limits, most: Limits): Group | Error {
  const taken: PodChanges[] = [];
  const operations: Operation[] = [];
  const nodes = new Set<string>();
  const pieces = piecesOf(changes);
  let sum = EMPTY;
  let tooLarge: Error | undefined;
  for (const piece of pieces) {
    const list = operationList(operationsOf(piece, source, nodes));
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

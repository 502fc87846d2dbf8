import type { TransactionConflict } from '../../consul/errors.ts';
import { operationList, type Operation, type OperationList } from '../../consul/transaction.ts';
import { isEmpty } from '../../reconcile/changes.ts';
import type { Owner } from '../../mark.ts';
import type { NodeState } from '../observed/own-instance.ts';
import type { Touched } from '../observed/own-catalog.ts';
import type { LateWrites, OwnOfPods } from './late-writes.ts';
import type { Limits } from './limits.ts';
import { nodeOperation, nodesNeeded, nodesTouched, toOperations, type PodChanges } from './operations.ts';

/** What is to be written for one key: operations that are applied together or not at all. */
export interface Group extends OperationList {
  readonly key: string;
  readonly changes: PodChanges;
  readonly operations: readonly Operation[];
}

export interface Batch {
  readonly groups: readonly Group[];
  readonly size: Limits;
  /** Consul nodes that this batch creates or corrects. */
  readonly nodes: ReadonlySet<string>;
  /** Keys that need no writing, and keys that cannot be written, each of these with the reason. */
  readonly settled: ReadonlyMap<string, Error | undefined>;
}

/** Our picture of Consul, as far as a batch is composed from it. */
export interface OwnBefore extends OwnOfPods {
  node(name: string): NodeState;
}

export interface BatchSource {
  readonly owner: Owner;
  readonly own: OwnBefore;
  /** What to write for a key, from the latest state. */
  readonly plan: (key: string) => PodChanges;
  /** Earlier writes that may still be applied. */
  readonly late: Pick<LateWrites, 'guard'>;
  /** Nodes that a transaction on its way is creating, and nodes that may be removed: keys that need such a node wait. */
  readonly closedNodes: ReadonlySet<string>;
  /** Keys that Consul will most likely refuse, and with them their whole batch: they share no batch with other keys. */
  readonly denied: ReadonlySet<string>;
}

/** After so many keys that wait for a node, the rest most likely waits for the same nodes, and is not looked at. */
const MOST_LATER = 64;

/**
 * Takes groups in the order of the keys, as many as fit into one transaction; a group never splits.
 *
 * | a key                                                           | outcome                                      |
 * |-----------------------------------------------------------------|----------------------------------------------|
 * | has nothing to write                                            | settled                                      |
 * | cannot be composed, or needs a node that is not ours to write   | settled, with the reason                     |
 * | is more than a transaction can be                               | settled, with the reason                     |
 * | was denied, in a batch of keys that were not, or the reverse    | waits                                        |
 * | needs a node that is closed                                     | waits                                        |
 * | needs nothing but a node that an earlier group brings           | waits for that                               |
 * | needs a node that is absent or spoilt                           | brings the node along, before its instances  |
 * | fits no more                                                    | waits, and all that come after it            |
 *
 * @param limits what to put together; a group that is more goes alone
 * @param most what can be sent at all
 */
export function composeBatch(keys: Iterable<string>, source: BatchSource, limits: Limits, most: Limits): Batch {
  const groups: Group[] = [];
  const nodes = new Set<string>();
  const settled = new Map<string, Error | undefined>();
  let operations = 0;
  let bytes = 1; // one bracket; the other stands for a comma that is not there
  let later = 0;
  for (const key of keys) {
    if (later === MOST_LATER) break;
    const [first] = groups;
    if (first && source.denied.has(first.key) !== source.denied.has(key)) continue;
    const group = tryComposeGroup(key, source, nodes);
    if (group === 'later') {
      later++;
      continue;
    }
    if (group === 'nothing' || group instanceof Error) {
      settled.set(key, group === 'nothing' ? undefined : group);
      continue;
    }
    const size = Buffer.byteLength(group.text) + 1; // and a comma
    const sum: Limits = { operations: operations + group.operations.length, bytes: bytes + size };
    if (groups.length > 0 && exceeds(sum, limits)) break;
    if (exceeds(sum, most)) {
      settled.set(
        key,
        new Error(
          `write ${key} to Consul: ${group.operations.length} operations of ${size} bytes do not fit in one transaction`,
        ),
      );
      continue;
    }
    ({ operations, bytes } = sum);
    groups.push(group);
    for (const operation of group.operations) if ('Node' in operation) nodes.add(operation.Node.Node.Node);
  }
  return { groups, size: { operations, bytes }, nodes, settled };
}

function exceeds(size: Limits, limits: Limits): boolean {
  return size.operations > limits.operations || size.bytes > limits.bytes;
}

/** A key that cannot be composed costs only itself. */
function tryComposeGroup(...parameters: Parameters<typeof composeGroup>): ReturnType<typeof composeGroup> {
  try {
    return composeGroup(...parameters);
  } catch (cause) {
    return new Error(`compose the operations of ${parameters[0]}`, { cause });
  }
}

/** @param nodesInBatch nodes that an earlier group of the same batch brings along */
function composeGroup(
  key: string,
  { owner, own, plan, late, closedNodes }: BatchSource,
  nodesInBatch: ReadonlySet<string>,
): Group | 'nothing' | 'later' | Error {
  const { changes, renewals } = late.guard(key, plan(key), own);
  if (isEmpty(changes)) return 'nothing';
  const nodes = new Map<string, Operation>();
  for (const node of nodesNeeded(changes)) {
    if (closedNodes.has(node.name)) return 'later';
    const known = own.node(node.name);
    if (known.state === 'refused') return new Error(`register ${key}: ${known.why}`);
    const isRight = known.state === 'ours' && known.isIntact && known.address === node.address;
    if (!isRight && !nodesInBatch.has(node.name))
      nodes.set(node.name, nodeOperation(owner, node, known.state === 'ours' ? known.modifyIndex : 0));
  }
  const operations = [...nodes.values(), ...toOperations(changes), ...renewals];
  // Only its node is not right, and an earlier group of this batch corrects that.
  if (operations.length === 0) return 'later';
  return { key, changes, ...operationList(operations) };
}

/** The groups that Consul named; all of them when it named none that we sent. With a node all groups are refused that need it. */
export function refusedGroups(groups: readonly Group[], conflict: TransactionConflict): Set<Group> {
  const operations = groups.flatMap((group) => group.operations);
  const failed = new Set(conflict.failures.map(({ index }) => operations[index]));
  const refused = new Set(groups.filter((group) => group.operations.some((operation) => failed.has(operation))));
  const nodes = new Set(
    [...failed].flatMap((operation) => (operation && 'Node' in operation ? [operation.Node.Node.Node] : [])),
  );
  for (const group of groups) if (nodesNeeded(group.changes).some(({ name }) => nodes.has(name))) refused.add(group);
  return refused.size > 0 ? refused : new Set(groups);
}

/** A node that the batch creates or corrects is touched as a whole, any other node for the pods that are written there. */
export function touchedBy({ groups, nodes }: Batch): Touched {
  const touched = new Map<string, Set<string> | undefined>();
  for (const { key, changes } of groups) {
    for (const node of nodesTouched(changes)) {
      const pods = touched.get(node) ?? new Set();
      touched.set(node, nodes.has(node) ? undefined : pods.add(key));
    }
  }
  return touched;
}

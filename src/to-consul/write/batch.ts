import type { TransactionConflict } from '../../consul/errors.ts';
import type { Touched } from '../observed/own-catalog.ts';
import { composeGroup, partOf, type Group, type GroupSource } from './group.ts';
import { EMPTY, exceeds, plus, sizeOf, type Limits } from './limits.ts';
import { nodesNeeded, nodesTouched } from './operations.ts';

export interface Batch {
  readonly groups: readonly Group[];
  readonly size: Limits;
  /** Consul nodes that this batch creates or corrects. */
  readonly nodes: ReadonlySet<string>;
  /** Keys that need no writing, and keys that cannot be written, each of these with the reason. */
  readonly settled: ReadonlyMap<string, Error | undefined>;
  /** Keys for which nothing can be sent for now. */
  readonly resting: readonly string[];
}

/** After so many keys that wait for a node which a transaction is creating, the rest most likely waits for the same nodes, and is not looked at. */
const MOST_LATER = 64;

/**
 * Takes groups in the order of the keys, as many as fit into one transaction; a group that fits never splits.
 *
 * | a key                                                           | outcome                                      |
 * |-----------------------------------------------------------------|----------------------------------------------|
 * | has nothing to write                                            | settled                                      |
 * | cannot be composed, or needs a node that is not ours to write   | settled, with the reason                     |
 * | is more than a transaction, and its turn has come               | sends a part, in the order of `piecesOf`     |
 * | ... and not one of its pieces can be sent at all                | settled, with the reason                     |
 * | may be otherwise in Consul than is known                        | rests                                        |
 * | touches a node that rests                                       | rests                                        |
 * | needs a node that is closed                                     | waits                                        |
 * | needs nothing but a node that an earlier group brings           | waits for that                               |
 * | needs a node that is absent or spoilt                           | brings the node along, before its instances  |
 * | fits no more                                                    | waits, and all that come after it            |
 *
 * @param limits what to put together; a piece that is more goes alone
 * @param most what can be sent at all
 */
export function composeBatch(keys: Iterable<string>, source: GroupSource, limits: Limits, most: Limits): Batch {
  const groups: Group[] = [];
  const nodes = new Set<string>();
  const settled = new Map<string, Error | undefined>();
  const resting: string[] = [];
  let sum = EMPTY;
  let later = 0;
  for (const key of keys) {
    if (later === MOST_LATER) break;
    const group = tryComposeGroup(key, source, nodes);
    if (group === 'later') {
      later++;
      continue;
    }
    if (group === 'rests') {
      resting.push(key);
      continue;
    }
    if (group === 'nothing' || group instanceof Error) {
      settled.set(key, group === 'nothing' ? undefined : group);
      continue;
    }
    if (groups.length > 0 && exceeds(plus(sum, sizeOf(group)), limits)) break;
    const fitting = exceeds(plus(sum, sizeOf(group)), limits) ? partOf(group, source, limits, most) : group;
    if (fitting instanceof Error) {
      settled.set(key, fitting);
      continue;
    }
    sum = plus(sum, sizeOf(fitting));
    groups.push(fitting);
    for (const operation of fitting.operations) if ('Node' in operation) nodes.add(operation.Node.Node.Node);
  }
  return { groups, size: sum, nodes, settled, resting };
}

/** A key that cannot be composed costs only itself. */
function tryComposeGroup(...parameters: Parameters<typeof composeGroup>): ReturnType<typeof composeGroup> {
  try {
    return composeGroup(...parameters);
  } catch (cause) {
    return new Error(`compose the operations of ${parameters[0]}`, { cause });
  }
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

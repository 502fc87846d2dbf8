import type { Committer } from '../../consul/committer.ts';
import { mayHaveBeenApplied, TransactionConflict } from '../../consul/errors.ts';
import type { NodeReader } from '../../consul/node-reader.ts';
import { operationList, type ServiceRemoval } from '../../consul/transaction.ts';
import type { CatalogNode, CatalogService } from '../../consul/types.ts';
import type { Owner } from '../../mark.ts';
import { explainError } from '../../observability/log.ts';
import { ROOM_FOR_FENCE } from '../../to-consul/write/limits.ts';
import { nodeRemoval } from '../../to-consul/write/operations.ts';
import type { Item, Remaining } from './items.ts';
import { judgeNode } from './own-node.ts';

/** What any Consul takes in one transaction is 64. */
const INSTANCES_IN_TRANSACTION = 64 - ROOM_FOR_FENCE;
/** Of what has our marks and was in no plan that anybody agreed to. */
export const LATE = 'it came after the plan was made: run it again';
/** In a row without any progress. */
const MOST_TRIES = 5;

export interface ConsulRemoval {
  readonly nodes: Pick<NodeReader, 'read'>;
  readonly committer: Committer;
  readonly owner: Owner;
  /** What was shown before: nothing else is removed. */
  readonly isPlanned: (item: Item) => boolean;
  /** Told of each that is gone. */
  readonly onGone: (count: number) => void;
}

/**
 * Removes what is ours of one node, and then the node when nothing at all is left on it. Before each transaction the node is read
 * anew, which the leader confirms, and judged anew; each instance and the node go only with the index of that read. What is refused
 * costs only itself. Of a transaction of which nobody knows what became of it the next read tells: the fence has moved by then.
 *
 * With a node Consul removes all that is on it, and minds changes of the node itself only. One gap is left, as it is for the daemon:
 * an instance that somebody puts there within the few milliseconds between the read and the removal.
 */
export async function removeNode(removal: ConsulRemoval, name: string): Promise<Remaining[]> {
  const { nodes, committer, owner, isPlanned } = removal;
  const refused = new Map<string, Remaining>();
  const node = { kind: 'Node', object: name };
  let last: unknown;
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    try {
      if (last !== undefined && mayHaveBeenApplied(last)) await committer.settled();
      last = undefined;
      const contents = await nodes.read(name, true);
      const own = contents && judgeNode(owner, contents);
      // Gone, or somebody else's by now.
      if (!own) return [...refused.values()];
      const left = own.instances.filter(({ id }) => !refused.has(id));
      const due = left.filter(({ id }) => isPlanned(instanceOf(name, id))).slice(0, INSTANCES_IN_TRANSACTION);
      if (due.length > 0) {
        if (await removeInstances(removal, name, due, refused)) tries = 0;
        continue;
      }
      const late = left.map(({ id }) => ({ ...instanceOf(name, id), why: LATE }));
      if (late.length + refused.size > 0)
        return [...refused.values(), ...late, { ...node, why: 'instances on it are not removed' }];
      if (own.whyItStays !== undefined) return [{ ...node, why: own.whyItStays, isForOthers: true }];
      if (!isPlanned(node)) return [{ ...node, why: LATE }];
      await removeEmpty(removal, contents.node);
      return [];
    } catch (error) {
      last = error;
    }
  }
  const why = last === undefined ? 'others change it again and again' : explainError(last);
  return [...refused.values(), { ...node, why }];
}

function instanceOf(node: string, id: string): Item {
  return { kind: 'ServiceInstance', object: `${node}/${id}` };
}

/** @returns whether there was any progress: the instances are gone, or it is known which of them are refused */
async function removeInstances(
  { committer, onGone }: ConsulRemoval,
  node: string,
  due: readonly CatalogService[],
  refused: Map<string, Remaining>,
): Promise<boolean> {
  try {
    await committer.commit([operationList(due.map((instance) => instanceRemoval(node, instance)))]);
    onGone(due.length);
    return true;
  } catch (error) {
    if (!(error instanceof TransactionConflict)) throw error;
    const denied = error.failures.filter(({ index, what }) => due[index] && what.includes('Permission denied'));
    for (const { index, what } of denied) {
      const id = due[index]?.id ?? '';
      refused.set(id, { ...instanceOf(node, id), why: what });
    }
    // What was refused for another reason has changed since: the next read tells.
    return denied.length > 0;
  }
}

/** Takes one instance, untouched since it was read, and its check with it. */
function instanceRemoval(node: string, { id, service, modifyIndex }: CatalogService): ServiceRemoval {
  if (id === '' || modifyIndex === 0) throw new Error(`remove instance ${id}: expected an ID and an index, found none`);
  return {
    Service: { Verb: 'delete-cas', Node: node, Service: { ID: id, Service: service, ModifyIndex: modifyIndex } },
  };
}

async function removeEmpty({ committer, onGone }: ConsulRemoval, node: CatalogNode): Promise<void> {
  await committer.commit([operationList([nodeRemoval(node)])]);
  onGone(1);
}

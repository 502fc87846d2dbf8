import type { Committer } from '../../consul/committer.ts';
import { isDenied, mayHaveBeenApplied, TransactionConflict } from '../../consul/errors.ts';
import type { NodeReader } from '../../consul/node-reader.ts';
import { operationList, type NodeRemoval, type Operation } from '../../consul/transaction.ts';
import type { CatalogNode, NodeContents } from '../../consul/types.ts';
import type { Log } from '../../observability/log.ts';
import { MANAGED_BY, META, ownsNode, type Owner } from '../../mark.ts';
import { ownsNodeOrThrow } from '../identity/cluster-identity.ts';
import { entryId, entryIn, entryOperations, lossIn, nonceOf, ownNodeName } from '../identity/entry.ts';
import { observe, type OwnInstance } from '../observed/own-instance.ts';
import { nodeNameOf, type Registration } from '../registration/registration.ts';
import { EMPTY, exceeds, limitsOf, plus, sizeOf } from '../write/limits.ts';
import { nodeOperation, nodeRemoval, toOperations } from '../write/operations.ts';

/** What any Consul takes in one transaction. */
const LIMITS = limitsOf(64);
/** Others may change a node meanwhile; more in a row is tried again later. */
const MOST_TRIES = 5;

export interface RenameOptions {
  readonly nodes: Pick<NodeReader, 'read'>;
  readonly committer: Committer;
  /** The name that it had, and the one that it has; the uid is the same. */
  readonly before: Owner;
  readonly after: Owner;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Gives all that is ours on a Consul node our new name. An instance and what replaces it are in one transaction, so that whoever
 * reads its service sees one of the two at every moment, and never both. The node is read before each, which the leader confirms,
 * and each write names the indexes of that read: interrupted at any point, it goes on from there.
 *
 * | the old node, when nothing of ours is on it any more | outcome                                              |
 * |------------------------------------------------------|------------------------------------------------------|
 * | has nothing on it                                    | removed                                              |
 * | has what others put there                            | stays, without our marks: it is theirs from then on  |
 *
 * An instance for which the token has no right costs no other: it stays under its old name, and is told.
 *
 * @param name of the old node
 * @returns how many instances stay under the old name, because the token may not write them
 * @throws ConsulError, TransactionConflict, UntrustworthyAnswer, ClusterIdentityError when it could not be done; then it is tried again
 */
export async function renameNode(options: RenameOptions, name: string): Promise<number> {
  const { before, after, log } = options;
  const target = nodeNameOf(after.cluster, name.slice(nodeNameOf(before.cluster, '').length));
  const denied = new Set<string>();
  /** Of the transaction on its way, and whether they go one by one since one of them was denied. */
  let sent: readonly OwnInstance[] = [];
  let isOneByOne = false;
  const next = async (contents: NodeContents) => {
    const { node, instances } = observe(before, contents, { state: 'absent' });
    if (node.state !== 'ours') return letGo(options, name, contents, 'it has an agent');
    const open = [...instances.values()].filter(({ registration }) => !denied.has(registration.id));
    if (open.length === 0) return denied.size > 0 ? 'stays' : undefined;
    const there = await readTarget(options, target);
    const place = { name: target, address: contents.node.address };
    const made = there ? [] : [nodeOperation(after, place, 0)];
    const pairs = open.map((instance) => pairOf(options, instance, { ...place, there }));
    const taken = isOneByOne ? 1 : mostFitting([made, ...pairs]);
    sent = open.slice(0, taken);
    return [...made, ...pairs.slice(0, taken).flat()];
  };
  const onDenied = (error: Error) => {
    if (sent.length > 1) isOneByOne = true;
    else for (const { registration } of sent) deny(registration, error);
    return sent.length > 0;
  };
  const deny = ({ id, service }: Registration, error: Error) => {
    denied.add(id);
    log.warn('an instance stays under the old name of the cluster: the token has no right to write it', {
      ...{ service, instance: id, node: name, error },
    });
  };
  await step(options, name, next, onDenied);
  return denied.size;
}

/** The same of Consular's own entry, with what it remembers. */
export async function renameEntry(options: RenameOptions): Promise<void> {
  const { before, after } = options;
  await step(options, ownNodeName(before), async (contents) => {
    const found = entryIn(before, contents);
    if (!found) return undefined;
    const there = await readTarget(options, ownNodeName(after));
    const { address, port, tags, meta, modifyIndex } = found;
    const nonce = nonceOf(found);
    const entry = { owner: after, address, port, tags, version: meta.get('version') ?? '', summary: undefined };
    const isMoved = nonce !== undefined && !(there && entryIn(after, there));
    const lostAt = lossIn(before, contents);
    const removal = { ID: entryId(before), Service: MANAGED_BY, ModifyIndex: modifyIndex };
    return [
      ...(isMoved ? entryOperations({ ...entry, nonce, lostAt }, there) : []),
      { Service: { Verb: 'delete-cas', Node: contents.node.name, Service: removal } },
    ];
  });
}

/**
 * Sends what `next` says of the node as it is, until that is nothing more; then the node itself goes.
 * @param onDenied told what the ACLs refuse; true when `next` says something else from then on
 */
async function step(
  options: RenameOptions,
  name: string,
  next: (contents: NodeContents) => Promise<Operation[] | 'stays' | undefined>,
  onDenied: (error: Error) => boolean = () => false,
): Promise<void> {
  const { nodes, committer, before, signal } = options;
  for (let failures = 0; ;) {
    signal.throwIfAborted();
    const contents = await nodes.read(name, true);
    if (!contents || !ownsNode(before, contents.node.meta)) return;
    const operations = await next(contents);
    if (operations === 'stays') return;
    try {
      await committer.commit([operationList<Operation | NodeRemoval>(operations ?? lastOf(options, contents))]);
      failures = 0;
    } catch (error) {
      if (error instanceof Error && isDenied(error) && onDenied(error)) continue;
      if (error instanceof TransactionConflict ? error.isDenied : !mayHaveBeenApplied(error)) throw error;
      if (++failures === MOST_TRIES) throw error;
      // What was sent is there by then, or never will be.
      await committer.settled();
    }
  }
}

/** Nothing of ours is on the node. */
function lastOf(options: RenameOptions, contents: NodeContents): (Operation | NodeRemoval)[] {
  const { node, services, checks } = contents;
  const isEmpty = services.length + checks.length === 0;
  return isEmpty ? [nodeRemoval(node)] : letGo(options, node.name, contents, 'others have put something on it');
}

/** The node stays as it is, and is not ours any more. */
function letGo({ log }: RenameOptions, name: string, { node }: NodeContents, why: string): Operation[] {
  log.warn('a Consul node with the old name of the cluster stays, without the marks of Consular', { node: name, why });
  return [withoutMarks(node)];
}

const MARKS = new Set<string>([META.managedBy, META.cluster, META.clusterUid]);

function withoutMarks({ name, address, meta, modifyIndex }: CatalogNode): Operation {
  const Meta = Object.fromEntries([...meta].filter(([key]) => !MARKS.has(key)));
  return { Node: { Verb: 'cas', Node: { Node: name, Address: address, Meta, ModifyIndex: modifyIndex } } };
}

async function readTarget({ nodes, after }: RenameOptions, name: string): Promise<NodeContents | undefined> {
  const there = await nodes.read(name, true);
  if (there) ownsNodeOrThrow(after, there.node);
  return there;
}

/** What takes the place of an instance, and its end; only that where the other is there already. */
function pairOf(
  { before, after }: RenameOptions,
  old: OwnInstance,
  { there, ...node }: Registration['node'] & { readonly there: NodeContents | undefined },
): Operation[] {
  const { registration, checkIndex } = old;
  const id = after.cluster + registration.id.slice(before.cluster.length);
  const isThere = there?.services.some((service) => service.id.toLowerCase() === id.toLowerCase()) ?? false;
  const meta = new Map([...registration.meta, [META.managedBy, MANAGED_BY], [META.cluster, after.cluster]]);
  // Without any check an instance counts as passing.
  const status = checkIndex > 0 ? registration.check.status : 'passing';
  const check = { ...registration.check, status };
  const renamed: Registration = { ...registration, node, id, meta, check };
  return toOperations({ create: isThere ? [] : [renamed], update: [], remove: [old] });
}

/** How many groups fit into one transaction behind the first; one in any case. */
function mostFitting([first = [], ...groups]: readonly Operation[][]): number {
  let size = plus(EMPTY, sizeOf(operationList(first)));
  let taken = 0;
  for (const group of groups) {
    size = plus(size, sizeOf(operationList(group)));
    if (taken > 0 && exceeds(size, LIMITS)) break;
    taken++;
  }
  return taken;
}

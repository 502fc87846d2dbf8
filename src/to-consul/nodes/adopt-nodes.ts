import type { Committer } from '../../consul/committer.ts';
import type { NodeReader } from '../../consul/node-reader.ts';
import { operationList } from '../../consul/transaction.ts';
import type { CatalogNode } from '../../consul/types.ts';
import { MANAGED_BY, META, type Owner } from '../../mark.ts';
import { ROOM_FOR_FENCE } from '../write/limits.ts';
import { nodeOperation } from '../write/operations.ts';

/** What any Consul takes in one transaction is 64. */
const NODES_IN_TRANSACTION = 64 - ROOM_FOR_FENCE;

export interface AdoptOptions {
  readonly nodes: Pick<NodeReader, 'list'>;
  readonly committer: Pick<Committer, 'commit'>;
  readonly owner: Owner;
}

/**
 * Adopts what an installation under our cluster name left in Consul for another Kubernetes cluster: its nodes get our uid,
 * and with them all that is on them is ours. Instances without a pod here are then removed like any other whose pod is
 * gone: after a direct read. The other installation, if it still runs, refuses these nodes from then on.
 *
 * | a node with our cluster name | has our uid | outcome                |
 * |------------------------------|-------------|------------------------|
 * | made by Consular             | no          | adopted, untouched else |
 * | made by Consular             | yes         | is ours already        |
 * | made by anybody else         |             | stays as it is         |
 *
 * What comes late of an earlier try does no harm: each `cas` writes what it finds the node to be, and only over the index that
 * was read; a node that was adopted, corrected or removed since has another.
 *
 * @returns the names of the adopted nodes
 * @throws ConsulError, TransactionConflict when they could not be read or changed meanwhile; then it is tried again
 */
export async function adoptNodes({ nodes, committer, owner }: AdoptOptions): Promise<string[]> {
  const abandoned = (await nodes.list(META.cluster, owner.cluster)).filter((node) => isAbandoned(owner, node));
  for (let i = 0; i < abandoned.length; i += NODES_IN_TRANSACTION) {
    const some = abandoned.slice(i, i + NODES_IN_TRANSACTION);
    const adopt = some.map(({ name, address, modifyIndex }) => nodeOperation(owner, { name, address }, modifyIndex));
    await committer.commit([operationList(adopt)]);
  }
  return abandoned.map(({ name }) => name);
}

function isAbandoned(owner: Owner, { meta }: CatalogNode): boolean {
  return meta.get(META.managedBy) === MANAGED_BY && meta.get(META.clusterUid) !== owner.clusterUid;
}

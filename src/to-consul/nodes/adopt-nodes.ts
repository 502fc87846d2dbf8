import { decodeNodes, nodesRequest, assertTrustworthy } from '../../consul/catalog.ts';
import type { ConsulClient } from '../../consul/client.ts';
import { commitTransaction, operationsText } from '../../consul/transaction.ts';
import type { CatalogNode } from '../../consul/types.ts';
import { MANAGED_BY, META, type Owner } from '../../mark.ts';
import { nodeOperation } from '../write/operations.ts';

/** What any Consul takes in one transaction. */
const NODES_IN_TRANSACTION = 64;

/**
 * Adopts what an installation under our cluster name left in Consul for another Kubernetes cluster: its nodes get our uid,
 * and with them all that is on them is ours. Instances without a pod here are then removed like any other whose pod is
 * gone: after a direct read. The other installation, if it still runs, refuses these nodes from then on.
 * @returns the names of the adopted nodes
 * @throws ConsulError, TransactionConflict when they could not be read or changed meanwhile; then it is tried again
 */
export async function adoptNodes(client: ConsulClient, owner: Owner): Promise<string[]> {
  const request = nodesRequest(META.cluster, owner.cluster);
  const answer = await client.get(request);
  assertTrustworthy(request.purpose, answer);
  const strangers = decodeNodes(answer, request.purpose).filter((node) => isAbandoned(owner, node));
  for (let i = 0; i < strangers.length; i += NODES_IN_TRANSACTION) {
    const some = strangers.slice(i, i + NODES_IN_TRANSACTION);
    const adopt = some.map(({ name, address, modifyIndex }) => nodeOperation(owner, { name, address }, modifyIndex));
    await commitTransaction(client, [operationsText(adopt)]);
  }
  return strangers.map(({ name }) => name);
}

function isAbandoned(owner: Owner, { meta }: CatalogNode): boolean {
  return meta.get(META.managedBy) === MANAGED_BY && meta.get(META.clusterUid) !== owner.clusterUid;
}

import type { CatalogNode } from '../../consul/types.ts';
import { META, ownsNode, type Owner } from '../../mark.ts';
import { quote } from '../registration/rejection.ts';

/** Another installation uses our cluster name, or we were pointed at another Kubernetes cluster. */
export class ClusterIdentityError extends Error {
  constructor(owner: Owner, node: CatalogNode) {
    super(
      `cluster name "${owner.cluster}": Consul node ${node.name} was registered for the Kubernetes cluster with uid ` +
        `${node.meta.get(META.clusterUid) ?? '(none)'}, and this one has uid ${owner.clusterUid}. Expected a cluster name of its own for ` +
        'each Kubernetes cluster: is the configuration a copy of another cluster\'s, or the kubeconfig the wrong one? If that cluster is gone for good, or is this one, before kubernetes.identityNamespace was changed, "consular run --take-over" adopts what it left',
    );
    this.name = 'ClusterIdentityError';
  }
}

/** @throws ClusterIdentityError when the node, whose name says that it is ours, is another installation's. */
export function ownsNodeOrThrow(owner: Owner, node: CatalogNode): void {
  if (!ownsNode(owner, node.meta)) throw new ClusterIdentityError(owner, node);
}

/** This same Kubernetes cluster is in Consul under another name. */
export class ClusterRenamedError extends Error {
  /** @param nodes those with our uid and another name */
  constructor(owner: Owner, nodes: readonly CatalogNode[]) {
    const names = [...new Set(nodes.map(({ meta }) => meta.get(META.cluster) ?? ''))].sort();
    super(
      `cluster name ${quote(owner.cluster)}: this Kubernetes cluster (uid ${owner.clusterUid}) is in Consul under the name ` +
        `${names.map(quote).join(' and ')}, on ${nodes.length} node${nodes.length === 1 ? '' : 's'} such as ` +
        `${quote(nodes[0]?.name ?? '')}. If the setting "cluster" was changed, change it back: what has the old name would ` +
        'stay for ever, and keep all pods out as duplicates. If the new name is meant, start it with ' +
        `"consular run --rename-from ${names[0] ?? ''}", which moves all of that. ` +
        'If another Consular with that name is meant to run in this ' +
        `Kubernetes cluster beside this one, say so with the setting "besides": [${names.join(', ')}]`,
    );
    this.name = 'ClusterRenamedError';
  }
}

/**
 * @param besides names of other installations that are meant to be in this Kubernetes cluster
 * @param nodes those with our uid
 * @throws ClusterRenamedError when a Consular made one of them under a name that is neither ours nor one of these
 */
export function assertNotRenamed(owner: Owner, besides: readonly string[], nodes: readonly CatalogNode[]): void {
  const meant = new Set([owner.cluster, ...besides]);
  const others = nodes.filter(({ meta }) => {
    const cluster = meta.get(META.cluster);
    return cluster !== undefined && ownsNode({ ...owner, cluster }, meta) && !meant.has(cluster);
  });
  if (others.length > 0) throw new ClusterRenamedError(owner, others);
}

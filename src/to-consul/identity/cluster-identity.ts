import type { CatalogNode } from '../../consul/types.ts';
import { META, ownsNode, type Owner } from '../../mark.ts';

/** Another installation uses our cluster name, or we were pointed at another Kubernetes cluster. */
export class ClusterIdentityError extends Error {
  constructor(owner: Owner, node: CatalogNode) {
    super(
      `cluster name "${owner.cluster}": Consul node ${node.name} was registered for the Kubernetes cluster with uid ` +
        `${node.meta.get(META.clusterUid) ?? '(none)'}, and this one has uid ${owner.clusterUid}. Expected a cluster name of its own for ` +
        'each Kubernetes cluster: is the configuration a copy of another cluster\'s, or the kubeconfig the wrong one? If that cluster is gone for good, "consular run --take-over" adopts what it left',
    );
    this.name = 'ClusterIdentityError';
  }
}

/** @throws ClusterIdentityError when the node, whose name says that it is ours, is another installation's. */
export function ownsNodeOrThrow(owner: Owner, node: CatalogNode): void {
  if (!ownsNode(owner, node.meta)) throw new ClusterIdentityError(owner, node);
}

import type { NodeReader } from '../../consul/node-reader.ts';
import type { CatalogNode } from '../../consul/types.ts';
import { META, ownsNode, type Owner } from '../../mark.ts';
import { explainError } from '../../observability/log.ts';
import { ClusterIdentityError } from '../../to-consul/identity/cluster-identity.ts';
import { ownNodeName } from '../../to-consul/identity/entry.ts';
import type { Item, Remaining } from './items.ts';
import { judgeNode, type OwnNode } from './own-node.ts';

const NO_NAME_OF_OURS = 'it has our marks, and no name that Consular gives';

/** What is ours in Consul. */
export interface ConsulSide {
  /** Those that stand for Kubernetes nodes. */
  readonly nodes: readonly OwnNode[];
  /** That of Consular's own entry. */
  readonly entry: OwnNode | undefined;
  /** What has our marks and is not removed, or could not be read. */
  readonly remaining: readonly Remaining[];
}

/**
 * Reads everything with our marks; each answer is confirmed by Consul's leader. A node that cannot be read costs only itself.
 * @throws ClusterIdentityError when another Kubernetes cluster has nodes under our cluster name; ConsulError, UntrustworthyAnswer
 *   when the list of our nodes cannot be read
 */
export async function readConsulSide(nodes: Pick<NodeReader, 'list' | 'read'>, owner: Owner): Promise<ConsulSide> {
  const listed = await nodes.list(META.cluster, owner.cluster, true);
  const stranger = listed.find((node) => isOfAnotherCluster(owner, node));
  if (stranger) throw new ClusterIdentityError(owner, stranger);
  const found: OwnNode[] = [];
  const remaining: Remaining[] = [];
  for (const { name, meta } of listed) {
    if (!ownsNode(owner, meta)) continue;
    try {
      const contents = await nodes.read(name, true);
      if (!contents || !ownsNode(owner, contents.node.meta)) continue;
      const own = judgeNode(owner, contents);
      if (own) found.push(own);
      else remaining.push({ kind: 'Node', object: name, why: NO_NAME_OF_OURS, isForOthers: true });
    } catch (error) {
      remaining.push({ kind: 'Node', object: name, why: explainError(error) });
    }
  }
  const entry = found.find(({ name }) => name === ownNodeName(owner));
  return { nodes: found.filter((node) => node !== entry), entry, remaining };
}

/** A node that carries our cluster name and not Consular's mark is somebody's own matter. */
function isOfAnotherCluster(owner: Owner, { meta }: CatalogNode): boolean {
  const { clusterUid } = owner;
  return (
    meta.get(META.clusterUid) !== clusterUid &&
    ownsNode({ ...owner, clusterUid: meta.get(META.clusterUid) ?? '' }, meta)
  );
}

/** What goes with a node: its instances, and the node itself where nothing keeps it. */
export function itemsOf({ name, instances, whyItStays }: OwnNode): Item[] {
  const own = instances.map(({ id }) => ({ kind: 'ServiceInstance', object: `${name}/${id}` }));
  return whyItStays === undefined ? [...own, { kind: 'Node', object: name }] : own;
}

export function remainsOf({ name, whyItStays }: OwnNode): Remaining[] {
  return whyItStays === undefined ? [] : [{ kind: 'Node', object: name, why: whyItStays, isForOthers: true }];
}

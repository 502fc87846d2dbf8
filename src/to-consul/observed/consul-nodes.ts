import type { NodeReader } from '../../consul/node-reader.ts';
import { META, type Owner } from '../../mark.ts';
import type { NodeSource } from './node-reads.ts';

/** The nodes that have our cluster's name, read from Consul. */
export function consulNodes(nodes: NodeReader, { cluster }: Owner): NodeSource {
  return { ...nodes, list: () => nodes.list(META.cluster, cluster) };
}

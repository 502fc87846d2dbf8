import type { Distrust } from '../../consul/distrust.ts';
import type { NodeReader } from '../../consul/node-reader.ts';
import { META, type Owner } from '../../mark.ts';
import type { OwnWitness } from '../identity/own-witness.ts';
import type { NodeSource } from './node-reads.ts';

/** What is known of how far Consul can be trusted. */
export interface ConsulTrust {
  readonly distrust: Pick<Distrust, 'begin'>;
  readonly witness: Pick<OwnWitness, 'ensureThere'>;
}

/** The nodes that have our cluster's name, read from Consul. */
export function consulNodes(nodes: NodeReader, { distrust, witness }: ConsulTrust, { cluster }: Owner): NodeSource {
  return {
    ...nodes,
    list: () => nodes.list(META.cluster, cluster),
    ensureWitness: () => witness.ensureThere(),
    onOlder: () => distrust.begin('older-entry'),
  };
}

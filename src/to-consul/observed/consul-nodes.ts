import {
  assertTrustworthy,
  assertWitness,
  decodeNodes,
  nodesRequest,
  readNode,
  readNodeIndex,
  readNodeServices,
} from '../../consul/catalog.ts';
import type { ConsulClient } from '../../consul/client.ts';
import { META, type Owner } from '../../mark.ts';
import type { NodeSource } from './node-reads.ts';

/** The nodes that have our cluster's name, read from Consul. */
export function consulNodes(client: ConsulClient, owner: Owner): NodeSource {
  return {
    list: async () => {
      const request = nodesRequest(META.cluster, owner.cluster);
      const answer = await client.get(request);
      assertTrustworthy(request.purpose, answer);
      return decodeNodes(answer, request.purpose);
    },
    read: (name) => readNode(client, name),
    readIndex: (name) => readNodeIndex(client, name),
    readServices: (name) => readNodeServices(client, name),
    assertWitness: () => assertWitness(client),
  };
}

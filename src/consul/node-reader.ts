import { readNode, readNodeIndex, readNodeServices } from './catalog-reader.ts';
import type { ConsulReader } from './client.ts';
import type { CatalogNode, NodeContents } from './types.ts';
import { assertTrustworthy, decodeNodes, nodesRequest } from './catalog.ts';

/** What is asked about Consul nodes. Each answer is judged before it is believed; see catalog.ts. */
export interface NodeReader {
  /**
   * All nodes with that meta.
   * @param consistent asks the leader to confirm that it leads
   */
  list(metaKey: string, metaValue: string, consistent?: boolean): Promise<CatalogNode[]>;
  /**
   * A node with all that is on it, or undefined when Consul says that there is none.
   * @param consistent asks the leader to confirm that it leads: for a read that decides a removal
   */
  read(name: string, consistent?: boolean): Promise<NodeContents | undefined>;
  /** The index that moves with the node and the services on it. */
  readIndex(name: string): Promise<number>;
  /** The services on a node, and that index. */
  readServices(name: string): ReturnType<typeof readNodeServices>;
}

export function createNodeReader(client: ConsulReader): NodeReader {
  return {
    async list(metaKey, metaValue, consistent = false) {
      const request = nodesRequest(metaKey, metaValue);
      const query = { ...request.query, ...(consistent ? { consistent: '' } : {}) };
      const answer = await client.get({ ...request, query });
      assertTrustworthy(request.purpose, answer);
      return decodeNodes(answer, request.purpose);
    },
    read: (name, consistent) => readNode(client, name, consistent),
    readIndex: (name) => readNodeIndex(client, name),
    readServices: (name) => readNodeServices(client, name),
  };
}

import { expectArray, expectObject, isObject, numberField, stringField, type JsonObject } from '../json.ts';
import { ALWAYS_THERE, assertTrustworthy, decodeNodeContents, decodeNodeServices, decodeServers } from './catalog.ts';
import type { ConsulReader, ConsulRequest } from './client.ts';
import { UntrustworthyAnswer } from './errors.ts';
import type { CatalogService, NodeContents } from './types.ts';

/** Single reads of the catalog, for whoever has to know now. */

/** Who Consul's servers are, confirmed by their leader. */
export async function readServers(client: ConsulReader, signal?: AbortSignal): Promise<ReadonlySet<string>> {
  const purpose = 'read the servers of Consul';
  const answer = await client.get({
    purpose,
    path: '/health/service/{name}',
    params: { name: ALWAYS_THERE },
    query: { consistent: '' },
    ...(signal ? { signal } : {}),
  });
  return decodeServers(answer, purpose);
}

export function nodeServicesRequest(name: string) {
  return {
    purpose: `read services of Consul node ${name}`,
    path: '/catalog/node-services/{node}',
    params: { node: name },
  } as const;
}

/** A node with its services and without its checks, confirmed by the leader; undefined when there is none. */
export async function readWithoutChecks(
  client: ConsulReader,
  name: string,
  signal?: AbortSignal,
): Promise<Omit<NodeContents, 'checks'> | undefined> {
  const request = nodeServicesRequest(name);
  const answer = await client.get({ ...request, query: { consistent: '' }, ...(signal ? { signal } : {}) });
  return decodeNodeServices(answer, request.purpose);
}

/**
 * A node with its services and checks, or undefined when Consul says that there is none.
 * @param consistent asks the leader to confirm that it leads: for reads that decide a removal
 */
export async function readNode(
  client: ConsulReader,
  name: string,
  consistent = false,
): Promise<NodeContents | undefined> {
  const purpose = `read Consul node ${name}`;
  const params = { node: name };
  const query: ConsulRequest['query'] = consistent ? { consistent: '' } : {};
  // Checks first: a service registered in between is then seen without its check, which is repaired, and never the reverse.
  const checks = await client.get({ purpose, path: '/health/node/{node}', params, query });
  const services = await client.get({ purpose, path: '/catalog/node-services/{node}', params, query });
  const contents = decodeNodeContents(services, checks, purpose);
  if (contents && contents.node.name.toLowerCase() !== name.toLowerCase())
    throw new UntrustworthyAnswer(purpose, 'one about another node, which somebody else asked for');
  return contents;
}

/**
 * Of a node only the index that moves with it and the services on it: the filter leaves nothing of the answer. Consul 1.22
 * has such an index for each node; one that has not says the index of all, which moves more often.
 */
export async function readNodeIndex(client: ConsulReader, name: string): Promise<number> {
  const purpose = `read index of Consul node ${name}`;
  const query = { filter: 'ID == ""' };
  const answer = await client.get({ purpose, path: '/catalog/node-services/{node}', params: { node: name }, query });
  assertTrustworthy(purpose, answer);
  return answer.index;
}

/** Of a node which services are on it, and the index that moves with these; no checks, and no more than is compared. */
export async function readNodeServices(
  client: ConsulReader,
  name: string,
): Promise<{ index: number; services: Pick<CatalogService, 'id' | 'modifyIndex'>[] }> {
  const request = nodeServicesRequest(name);
  const answer = await client.get(request);
  assertTrustworthy(request.purpose, answer);
  return {
    index: answer.index,
    services: rowsOfServices(answer.body, request.purpose).map((row) => ({
      id: stringField(row, 'ID'),
      modifyIndex: numberField(row, 'ModifyIndex') ?? 0,
    })),
  };
}

/** What Consul says of the services on a node: null when there is no such node, or `Services: null` when it has none (1.22). */
function rowsOfServices(body: unknown, purpose: string): readonly JsonObject[] {
  if (body === null) return [];
  const { Services } = expectObject(body, purpose);
  return Services === null ? [] : expectArray(Services, purpose).filter(isObject);
}

import { inBackground } from '../../background.ts';
import { followBlockingQuery, type BlockingQueryOptions } from '../../consul/blocking-query.ts';
import {
  assertTrustworthy,
  catalogServiceRequest,
  decodeInstances,
  decodeServiceNames,
  FROM_THE_LEADER,
  instancesRequest,
  SERVICES_REQUEST,
} from '../../consul/catalog.ts';
import { ConsulError } from '../../consul/errors.ts';
import { expectArray } from '../../json.ts';
import { MANAGED_BY, META, type Owner } from '../../mark.ts';
import type { ForeignSource } from './foreign-source.ts';

export type ConsulServicesOptions = Pick<
  BlockingQueryOptions,
  'client' | 'timeLine' | 'brake' | 'log' | 'metrics' | 'signal'
>;

/** Names with instances on nodes of others. A Consul before 1.12 ignores the filter and lists all, which only costs more. */
function foreignNamesRequest({ cluster }: Owner) {
  return { ...SERVICES_REQUEST, query: { filter: `NodeMeta["${META.cluster}"] != "${cluster}"` } };
}

/** What the two endpoints of a service call the meta of the node and of the service in a filter. */
const HEALTH = { node: 'Node.Meta', service: 'Service.Meta' };
const CATALOG = { node: 'NodeMeta', service: 'ServiceMeta' };

/** The instances of a service that may be others': those on their nodes, and those without our mark. */
function othersOfService({ cluster }: Owner, { node, service }: typeof HEALTH): string {
  const mark = { [META.managedBy]: MANAGED_BY, [META.cluster]: cluster };
  const unmarked = Object.entries(mark).map(([key, value]) => `${service}["${key}"] != "${value}"`);
  return [`${node}["${META.cluster}"] != "${cluster}"`, ...unmarked].join(' or ');
}

/** The services of others, read from Consul. */
export function consulServices(options: ConsulServicesOptions, owner: Owner): ForeignSource {
  const { client, signal } = options;
  return {
    names: async () => decodeServiceNames(await client.get(foreignNamesRequest(owner))),
    read: async (service) => {
      // Most often there is none, and the catalog says so without the checks of each instance: half the cost with 100 of them.
      const isAny = catalogServiceRequest(service);
      const rows = await client.get({ ...isAny, query: { filter: othersOfService(owner, CATALOG) }, signal });
      assertTrustworthy(isAny.purpose, rows);
      if (expectArray(rows.body, isAny.purpose).length === 0) return [];
      const request = { ...instancesRequest(service), query: { filter: othersOfService(owner, HEALTH) }, signal };
      return decodeInstances(await client.get(request), service);
    },
    follow: (service, onInstances, onRefused) => {
      const stop = new AbortController();
      inBackground(
        followBlockingQuery({
          ...options,
          signal: AbortSignal.any([signal, stop.signal]),
          request: { ...instancesRequest(service), query: FROM_THE_LEADER },
          perSecond: 10,
          onAnswer: (answer) => onInstances(decodeInstances(answer, service)),
          onFailure: (error) => {
            if (error instanceof ConsulError && error.isTooMany) onRefused();
          },
        }),
      );
      return () => stop.abort();
    },
  };
}

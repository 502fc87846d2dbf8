import { inBackground } from '../../background.ts';
import { followBlockingQuery, type BlockingQueryOptions } from '../../consul/blocking-query.ts';
import {
  decodeInstances,
  decodeServiceNames,
  FROM_THE_LEADER,
  instancesRequest,
  SERVICES_REQUEST,
} from '../../consul/catalog.ts';
import { ConsulError } from '../../consul/errors.ts';
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

/** The instances of a service that may be others': those on their nodes, and those without our mark. */
function othersOfService({ cluster }: Owner): string {
  const mark = { [META.managedBy]: MANAGED_BY, [META.cluster]: cluster };
  const unmarked = Object.entries(mark).map(([key, value]) => `Service.Meta["${key}"] != "${value}"`);
  return [`Node.Meta["${META.cluster}"] != "${cluster}"`, ...unmarked].join(' or ');
}

/** The services of others, read from Consul. */
export function consulServices(options: ConsulServicesOptions, owner: Owner): ForeignSource {
  const { client, signal } = options;
  return {
    names: async () => decodeServiceNames(await client.get(foreignNamesRequest(owner))),
    read: async (service) => {
      const request = { ...instancesRequest(service), query: { filter: othersOfService(owner) }, signal };
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

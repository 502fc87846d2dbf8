import { objectKey, type Service } from '../../kubernetes/objects.ts';
import type { Listing } from '../../status-page/listing.ts';
import type { OwnObjects } from '../observed/own-objects.ts';
import type { Planner } from '../plan/planner.ts';
import { isCandidate, isNeverMirrored } from '../requests/selection.ts';
import { consulServiceOf } from '../requests/tag-services.ts';

/** A Consul service, and what it is in Kubernetes. */
export interface ListedService {
  /** As Consul spells it. */
  readonly service: string;
  /** How many instances are known of it; null where it is not read. */
  readonly instances: number | null;
  /** What Consular made for it. */
  readonly mirrors: readonly ListedMirror[];
  /** Services of others that take it in, `namespace/name`. */
  readonly imports: readonly string[];
  /** Why it is not mirrored; empty where it is. */
  readonly why: string;
}

export interface ListedMirror {
  /** `namespace/name` of the Service. */
  readonly name: string;
  /** The first; `None` for a headless Service. */
  readonly clusterIP: string;
  readonly ports: readonly number[];
  readonly endpoints: number;
  readonly ready: number;
}

export interface ListedServicesOptions {
  readonly planner: Pick<Planner, 'sources' | 'keys' | 'isMirrored' | 'owns'>;
  readonly imports: { importing(name: string): readonly Service[]; names(): Iterable<string> };
}

/** @param isAll every Consul service that is known, and not only what is mirrored or taken in */
export function listServices(options: ListedServicesOptions, isAll: boolean): Listing<ListedService> {
  const { planner, imports } = options;
  const { own, catalog } = planner.sources;
  return {
    keys: () => [...(isAll ? planner.keys() : own.names()), ...imports.names()],
    text: (name) => {
      const services = [...own.services(name), ...imports.importing(name)];
      const addresses = services.flatMap(({ clusterIPs }) => clusterIPs);
      return [name, ...services.map(objectKey), ...addresses].join(' ');
    },
    row: (name) => ({
      service: catalog.spelling(name),
      instances: catalog.instances(name)?.length ?? null,
      mirrors: own.services(name).map((service) => mirrorOf(own, name, service)),
      imports: imports.importing(name).map(objectKey),
      why: planner.owns(name) ? '' : whyNot(options, name),
    }),
  };
}

function mirrorOf(own: OwnObjects, name: string, service: Service): ListedMirror {
  const { namespace, uid, clusterIPs, ports } = service;
  const slices = own.slices(name).filter((slice) => slice.namespace === namespace && slice.ownerUid === uid);
  // In an ambient mesh there are no slices.
  const entries = own.workloadEntries(name, namespace).map(({ address }) => ({ address, ready: true }));
  const endpoints = [...slices.flatMap((slice) => slice.endpoints), ...entries];
  return {
    name: objectKey(service),
    clusterIP: clusterIPs[0] ?? '',
    ports: ports.map(({ port }) => port),
    endpoints: new Set(endpoints.map(({ address }) => address)).size,
    ready: new Set(endpoints.filter(({ ready }) => ready).map(({ address }) => address)).size,
  };
}

/** In a few words; `consular explain consul-service` has all that was found. */
function whyNot({ planner }: ListedServicesOptions, name: string): string {
  const { config, catalog } = planner.sources;
  if (isNeverMirrored(name)) return 'the name is one of those that never are mirrored';
  if (!isCandidate(config, consulServiceOf(config.tagServices, name)))
    return 'toKubernetes.services does not select it';
  const instances = catalog.instances(name);
  if (instances === undefined) return 'it is not read yet';
  if (instances.length === 0) return 'all of its instances come out of this cluster';
  if (!planner.isMirrored(name)) return 'none of its instances is one that the settings ask for';
  return 'it is not written: what needs attention says why';
}

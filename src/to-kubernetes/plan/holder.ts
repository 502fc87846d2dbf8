import {
  objectKey,
  type Endpoints,
  type EndpointSlice,
  type Service,
  type WorkloadEntry,
} from '../../kubernetes/objects.ts';
import { ownsObject } from '../../mark.ts';
import type { OwnObjects } from '../observed/own-objects.ts';
import { importRequest, nameWanted } from '../requests/import-request.ts';
import { isCovered } from './import-covers.ts';
import type { PlanSources } from './sources.ts';

/** The objects of ours for one Consul service in one namespace. */
export interface OwnInNamespace {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly endpoints: readonly Endpoints[];
  readonly workloadEntries: readonly WorkloadEntry[];
}

export function ownInNamespace(own: OwnObjects, name: string, namespace: string): OwnInNamespace {
  return {
    services: own.services(name).filter((service) => service.namespace === namespace),
    slices: own.slices(name).filter((slice) => slice.namespace === namespace),
    endpoints: own.endpoints(name, namespace),
    workloadEntries: own.workloadEntries(name, namespace),
  };
}

/** Who holds the name that the Service of a Consul service should have in one namespace. */
export type Holder =
  | { readonly kind: 'free'; readonly service: undefined }
  | { readonly kind: 'ours' | 'foreign' | 'importing'; readonly service: Service }
  | {
      readonly kind: 'released';
      readonly service: Service;
      /** True when it takes this Consul service in. */
      readonly isImporting: boolean;
    };

/**
 * | the Service of that name                                          | holder    | the Service | slices, Endpoints, WorkloadEntries |
 * |-------------------------------------------------------------------|-----------|-------------|------------------------------------|
 * | is not there                                                      | free      | made        | made                               |
 * | is not looked for: there should be none                           | free      | none        | none                               |
 * | has our marks, for this Consul service                            | ours      | kept equal  | kept equal                         |
 * | has our labels and not the annotation, and objects of ours        | ours      | kept equal  | kept equal                         |
 * | has objects of ours, and its owner took the labels away           | released  | not touched | kept equal, as long as there are any |
 * | ... and takes this Consul service in, and has not all of it yet   | released  | not touched | kept equal                         |
 * | ... and takes this Consul service in, and other slices have it all | importing | not touched | none: the import has its own       |
 * | takes this Consul service in, and has no object of ours           | importing | not touched | none: the import has its own       |
 * | anything else                                                     | foreign   | not touched | none                               |
 *
 * An object belongs to a Service by the uid of its owner: what is left of an earlier Service of that name does not count.
 * @param service the Service that has the name; undefined where there is none
 */
export function holderOf(
  { owner, config, views }: Pick<PlanSources, 'owner' | 'config' | 'views'>,
  name: string,
  service: Service | undefined,
  own: OwnInNamespace,
): Holder {
  if (!service) return { kind: 'free', service };
  if (own.services.some((other) => objectKey(other) === objectKey(service))) return { kind: 'ours', service };
  const isKept = hasOurs(own, service);
  if (isKept && ownsObject(owner, service.labels)) return { kind: 'ours', service };
  const isImporting = nameWanted(importRequest(service, config)) === name;
  if (isKept && !(isImporting && isCovered(views, service, own.slices, own.workloadEntries)))
    return { kind: 'released', service, isImporting };
  return { kind: isImporting ? 'importing' : 'foreign', service };
}

/** True when objects of ours belong to that Service. While no instance is healthy, v1 Endpoints are all that there is. */
export function hasOurs({ slices, endpoints, workloadEntries }: OwnInNamespace, { uid }: Service): boolean {
  return [slices, endpoints, workloadEntries].some((objects) => objects.some(({ ownerUid }) => ownerUid === uid));
}

/** The Service of ours that has the name. */
export function ourService(holder: Holder): Service | undefined {
  return holder.kind === 'ours' ? holder.service : undefined;
}

/** The Service that keeps the name from us, for somebody to mend. */
export function conflictOf(holder: Holder): Service | undefined {
  if (holder.kind === 'foreign') return holder.service;
  return holder.kind === 'released' && !holder.isImporting ? holder.service : undefined;
}

/** True when addresses are written for the Service that has the name, or is to have it. */
export function isWritten({ kind }: Holder): boolean {
  return kind === 'free' || kind === 'ours' || kind === 'released';
}

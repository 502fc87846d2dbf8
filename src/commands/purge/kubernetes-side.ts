import type { Config } from '../../config/schema.ts';
import { discover } from '../../kubernetes/discovery.ts';
import { hasStatus } from '../../kubernetes/errors.ts';
import {
  objectKey,
  type Endpoints,
  type EndpointSlice,
  type KubernetesObject,
  type Service,
} from '../../kubernetes/objects.ts';
import type { Resource } from '../../kubernetes/resources.ts';
import { LABEL, MANAGED_BY, ownsObject, type Owner } from '../../mark.ts';
import { explainError } from '../../observability/log.ts';
import { isImportedSlice, isOfMirror } from '../../to-kubernetes/observed/own-objects.ts';
import type { Clients } from '../../world/context.ts';
import type { Item, Remaining } from './items.ts';

/** One object that goes, and how to know that it still is the one. */
export interface OwnObject {
  readonly resource: Resource<KubernetesObject>;
  readonly observed: KubernetesObject;
  /** Asked again of an object that has changed since. */
  readonly isOurs: (object: KubernetesObject) => boolean;
}

/** What is ours in Kubernetes. */
export interface KubernetesSide {
  /** One after the other: what is for a Service, the Services, and what Kubernetes' own controllers made for them. */
  readonly stages: readonly (readonly OwnObject[])[];
  /** What has our labels and is not removed, or could not be read. */
  readonly remaining: readonly Remaining[];
  /** Why something could not be read, but for rights that are missing: it may go well the next time. */
  readonly failures: readonly unknown[];
}

/** An EndpointSlice or v1 Endpoints that Kubernetes' own controller made for a Service of ours, with the labels of that. */
type Leftover = EndpointSlice | Endpoints;

/** Where objects with our labels are looked for. */
export interface Places {
  /** All namespaces first; those that the settings name only where that is refused. */
  readonly isEverywhere: boolean;
  /** Of the setting toKubernetes.namespaces. */
  readonly namespaces: readonly string[];
  /** Of toKubernetes.importNamespaces: of our objects these have slices only. */
  readonly importNamespaces: readonly string[];
}

/** As the daemon reads: a tenant's has no right to all namespaces, and nothing of its is anywhere else. */
export function placesOf({ toConsul, toKubernetes }: Pick<Config, 'toConsul' | 'toKubernetes'>): Places {
  const { namespaces, importNamespaces } = toKubernetes;
  return { isEverywhere: toConsul.watch === 'cluster', namespaces, importNamespaces };
}

/**
 * Reads all objects with our labels, in all namespaces or, where there is no right to that, in those that the settings name.
 *
 * | with both labels of ours                                                     | outcome                        |
 * |------------------------------------------------------------------------------|--------------------------------|
 * | ... and the annotation that names a Consul service                           | goes                           |
 * | an EndpointSlice of an import, with its annotation or our managed-by label   | goes; the Service stays        |
 * | a Service without the annotation, on which objects of ours still hang        | goes: somebody edited it       |
 * | an EndpointSlice or Endpoints that Kubernetes made for a Service that goes   | goes after that                |
 * | anything else                                                                | stays, and is told             |
 */
export async function readKubernetesSide(
  {
    api,
    kubernetes,
    resources,
    workloadEntries: kind,
  }: Pick<Clients, 'api' | 'kubernetes' | 'resources' | 'workloadEntries'>,
  owner: Owner,
  { isEverywhere, namespaces, importNamespaces }: Places,
): Promise<KubernetesSide> {
  const remaining: Remaining[] = [];
  const failures: unknown[] = [];
  const unreadable = (kind: string, where: string, error: unknown) => {
    remaining.push({ kind, object: where, why: `it could not be looked for: ${explainError(error)}` });
    if (!hasStatus(error, 403)) failures.push(error);
  };
  const labelSelector = `${LABEL.managedBy}=${MANAGED_BY},${LABEL.cluster}=${owner.cluster}`;

  async function list<T extends KubernetesObject>(resource: Resource<T>): Promise<T[]> {
    try {
      if (isEverywhere) return await api.list(resource, '', labelSelector);
    } catch (error) {
      unreadable(resource.kind, EVERYWHERE, error);
      if (!hasStatus(error, 403)) return [];
    }
    const found: T[] = [];
    const isOfImports = isEverywhere || resource.kind === resources.endpointSlices.kind;
    for (const namespace of new Set([...namespaces, ...(isOfImports ? importNamespaces : [])])) {
      try {
        found.push(...(await api.list(resource, namespace, labelSelector)));
      } catch (error) {
        unreadable(resource.kind, `in namespace ${namespace}`, error);
      }
    }
    return found;
  }

  const services = await list(resources.services);
  const slices = await list(resources.endpointSlices);
  const endpoints = await list(resources.endpoints);
  const entryResource = await discover(kubernetes, kind).catch((error: unknown) =>
    unreadable(kind.kind, EVERYWHERE, error),
  );
  const entries = entryResource ? await list(entryResource) : [];

  const isSliceOurs = (slice: EndpointSlice) => isOfMirror(owner, slice) || isImportedSlice(owner, slice);
  const isMarked = (object: KubernetesObject) => isOfMirror(owner, object);
  const parts = [...entries.filter(isMarked), ...endpoints.filter(isMarked), ...slices.filter(isMarked)];
  const served = new Set(parts.map(({ ownerUid }) => ownerUid));
  const isServiceOurs = (service: KubernetesObject) =>
    ownsObject(owner, service.labels) && (isMarked(service) || served.has(service.uid));
  const going = services.filter(isServiceOurs);
  const isLeftover = (object: KubernetesObject) =>
    ownsObject(owner, object.labels) && isMadeFor(going, object as Leftover);
  const stages = [
    [
      ...(entryResource ? ownOf(entryResource, entries, isMarked) : []),
      ...ownOf(resources.endpoints, endpoints, isMarked),
      ...ownOf(resources.endpointSlices, slices, (slice) => isSliceOurs(slice as EndpointSlice)),
    ],
    ownOf(resources.services, services, isServiceOurs),
    [
      ...ownOf(resources.endpoints, without(endpoints, isMarked), isLeftover),
      ...ownOf(resources.endpointSlices, without(slices, isSliceOurs), isLeftover),
    ],
  ];
  const known = new Set(stages.flat().map(({ observed }) => observed));
  const others = [services, slices, endpoints, entries].flatMap((list, i) =>
    list
      .filter((object) => !known.has(object))
      .map((object): Remaining => ({ kind: KINDS[i] ?? '', object: objectKey(object), ...UNSIGNED })),
  );
  return { stages, remaining: [...remaining, ...others], failures };
}

const EVERYWHERE = 'in all namespaces';
const UNSIGNED = {
  why: 'it has our labels, and none of our annotations: nobody knows whether Consular made it',
  isForOthers: true,
} as const;

function without<T>(list: readonly T[], isMeant: (one: T) => boolean): T[] {
  return list.filter((one) => !isMeant(one));
}

const KINDS = ['Service', 'EndpointSlice', 'Endpoints', 'WorkloadEntry'];

function ownOf<T extends KubernetesObject>(
  resource: Resource<T>,
  found: readonly T[],
  isOurs: (object: KubernetesObject) => boolean,
): OwnObject[] {
  return found.filter(isOurs).map((observed) => ({ resource, observed, isOurs }));
}

/** Kubernetes' slices have the Service as their owner; its Endpoints have no owner, and the name of the Service. */
function isMadeFor(services: readonly Service[], object: Leftover): boolean {
  const { ownerUid } = object;
  return services.some((service) =>
    'addressType' in object ? ownerUid !== '' && service.uid === ownerUid : objectKey(service) === objectKey(object),
  );
}

export function itemOf({ resource, observed }: OwnObject): Item {
  return { kind: resource.kind, object: objectKey(observed) };
}

import { expectArray, expectObject } from '../json.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { KubernetesRequester } from './client.ts';
import { hasStatus, type Purpose } from './errors.ts';
import { objectKey, type KubernetesObject, type Pod } from './objects.ts';
import { pathOf, type Resource } from './resources.ts';

/**
 * Single reads and writes of objects. Every write says which state of the object it was decided on: a create expects
 * none, a patch and a delete name the uid and the resourceVersion, so that a lost race is a 409 and never an overwrite.
 */
export interface ObjectApi {
  /** The object as it is now, or undefined when the API server says that it is not found. */
  get<T extends KubernetesObject>(resource: Resource<T>, namespace: string, name: string): Promise<T | undefined>;
  /**
   * All objects with that label as they are now, in one piece.
   * @param name only the object of that name, if it has the label
   * @throws TypeError when one of them cannot be read
   */
  list<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    labelSelector: string,
    name?: string,
  ): Promise<T[]>;
  /** @throws KubernetesError 409 AlreadyExists when somebody has that name already. */
  create<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    body: object,
    mode?: WriteMode,
  ): Promise<T>;
  /** A merge patch of the given fields. @throws KubernetesError 409 Conflict when the object is not the observed one any more. */
  patch<T extends KubernetesObject>(resource: Resource<T>, observed: T, body: PatchBody, mode?: WriteMode): Promise<T>;
  /** Sets one condition in the status of a pod, whatever else changed of it. @throws KubernetesError 409 when it is another pod by now. */
  setCondition(resource: Resource<Pod>, observed: Pod, condition: PodCondition): Promise<void>;
  /** Deletes exactly the observed object; one that is gone already is fine. @throws KubernetesError 409 when it changed. */
  remove<T extends KubernetesObject>(resource: Resource<T>, observed: T): Promise<void>;
}

/** With `trial` the API server answers as ever, and writes nothing. @default write */
export type WriteMode = 'write' | 'trial';

export interface PatchBody {
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** A missing lastTransitionTime stays as it is. */
export interface PodCondition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime?: string;
}

export function createObjectApi(client: KubernetesRequester, metrics: Metrics): ObjectApi {
  const purpose = (verb: Purpose['verb'], kind: string, object: string): Purpose => ({ verb, kind, object });
  return {
    async get(resource, namespace, name) {
      try {
        const path = pathOf(resource, namespace, name);
        return resource.decode(
          await client.request({ purpose: purpose('get', resource.kind, objectKey({ namespace, name })), path }),
        );
      } catch (error) {
        // A 404 without that reason is of somebody on the way: no proof that the object is gone.
        if (hasStatus(error, 404) && error.reason === 'NotFound') return undefined;
        throw error;
      }
    },
    async list(resource, namespace, labelSelector, name) {
      const answer = await client.request({
        purpose: purpose('list', resource.kind, namespace),
        path: pathOf(resource, namespace),
        query: { labelSelector, ...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }) },
      });
      return expectArray(expectObject(answer, `${resource.kind} list`).items, `${resource.kind} list`).map((item) =>
        resource.decode(item),
      );
    },
    async create(resource, namespace, name, body, mode) {
      const created = await client.request({
        purpose: purpose('create', resource.kind, objectKey({ namespace, name })),
        method: 'POST',
        path: pathOf(resource, namespace),
        ...dryRun(mode),
        body: { apiVersion: resource.apiVersion, kind: resource.kind, ...body },
      });
      if (mode !== 'trial') metrics.kubernetesWrites.inc({ verb: 'create', kind: resource.kind });
      return resource.decode(created);
    },
    async patch(resource, observed, body, mode) {
      const { uid, resourceVersion } = observed;
      const patched = await client.request({
        purpose: purpose('patch', resource.kind, objectKey(observed)),
        method: 'PATCH',
        path: pathOf(resource, observed.namespace, observed.name),
        ...dryRun(mode),
        body: { ...body, metadata: { ...body.metadata, uid, resourceVersion } },
      });
      if (mode !== 'trial') metrics.kubernetesWrites.inc({ verb: 'patch', kind: resource.kind });
      return resource.decode(patched);
    },
    async setCondition(resource, observed, condition) {
      await client.request({
        purpose: purpose('patch', `${resource.kind} status`, objectKey(observed)),
        method: 'PATCH',
        patch: 'strategic',
        path: `${pathOf(resource, observed.namespace, observed.name)}/status`,
        body: { metadata: { uid: observed.uid }, status: { conditions: [condition] } },
      });
      metrics.kubernetesWrites.inc({ verb: 'patch', kind: resource.kind });
    },
    async remove(resource, observed) {
      const { uid, resourceVersion } = observed;
      try {
        await client.request({
          purpose: purpose('delete', resource.kind, objectKey(observed)),
          method: 'DELETE',
          path: pathOf(resource, observed.namespace, observed.name),
          body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid, resourceVersion } },
        });
        metrics.kubernetesWrites.inc({ verb: 'delete', kind: resource.kind });
      } catch (error) {
        if (!hasStatus(error, 404)) throw error;
      }
    },
  };
}

function dryRun(mode: WriteMode = 'write'): { readonly query?: Readonly<Record<string, string>> } {
  return mode === 'trial' ? { query: { dryRun: 'All' } } : {};
}

import { hasStatus } from '../kubernetes/errors.ts';
import type { KubernetesObject } from '../kubernetes/objects.ts';
import type { Resource, Resources } from '../kubernetes/resources.ts';
import type { View } from '../kubernetes/view.ts';
import type { ObjectApi } from '../kubernetes/write.ts';
import type { Changes } from '../reconcile/changes.ts';
import { ownershipLabels, type Owner } from '../reconcile/mark.ts';
import { endpointsBody, ownerReference, serviceBody, sliceBody, toCreate, toPatch, type Body } from './bodies.ts';
import type { NamespacePlan } from './namespace-plan.ts';
import type { Views } from './views.ts';

/** There is an object of that name which the view does not show, or not yet as ours: the next look may know more. */
export class NameTaken extends Error {}

export interface Writer {
  /**
   * Writes one namespace's plan: first what comes (Service, slices, Endpoints), then what goes, the other way round, so that
   * an address that moves between slices is never nowhere.
   * @throws the first failure, after everything was tried
   */
  apply(plan: NamespacePlan): Promise<void>;
}

/**
 * Writes objects to Kubernetes. Whatever the API server answers goes into the view at once, so that the next look does
 * not depend on how quickly the watch delivers our own work.
 */
export function createWriter(owner: Owner, api: ObjectApi, resources: Resources, views: Views): Writer {
  const labels = ownershipLabels(owner);

  async function write<D extends { readonly name: string }, O extends KubernetesObject>(
    { attempt, namespace }: Pass,
    resource: Resource<O>,
    view: View<O> | undefined,
    { create, update }: Changes<D, O>,
    body: (desired: D) => Body,
  ): Promise<void> {
    for (const desired of create) {
      await attempt(async () => {
        const object = toCreate(body(desired), namespace, desired.name);
        view?.put(await createNew(resource, namespace, desired.name, object));
      });
    }
    for (const { desired, observed } of update) {
      await attempt(async () => view?.put(await api.patch(resource, observed, toPatch(body(desired)))));
    }
  }

  async function createNew<O extends KubernetesObject>(
    resource: Resource<O>,
    namespace: string,
    name: string,
    body: object,
  ): Promise<O> {
    try {
      return await api.create(resource, namespace, name, body);
    } catch (cause) {
      if (!hasStatus(cause, 409)) throw cause;
      throw new NameTaken(`create ${resource.kind} ${namespace}/${name}: expected no object of that name, found one`, {
        cause,
      });
    }
  }

  async function remove<O extends KubernetesObject>(
    { attempt }: Pass,
    resource: Resource<O>,
    view: View<O> | undefined,
    { remove: objects }: Changes<unknown, O>,
  ): Promise<void> {
    for (const object of objects) {
      await attempt(async () => {
        await api.remove(resource, object);
        view?.drop(object);
      });
    }
  }

  return {
    async apply({ namespace, service, slices, endpoints }) {
      const pass = createPass(namespace);
      const endpointsView = views.endpoints.get(namespace);
      const ownerOf = (name: string) => ownerReference(views.services.get(`${namespace}/${name}`), namespace, name);
      await write(pass, resources.services, views.services, service, (desired) => serviceBody(labels, desired));
      await write(pass, resources.endpointSlices, views.endpointSlices, slices, (desired) =>
        sliceBody(labels, desired, ownerOf(desired.serviceName)),
      );
      await write(pass, resources.endpoints, endpointsView, endpoints, (desired) =>
        endpointsBody(labels, desired, ownerOf(desired.name)),
      );
      await remove(pass, resources.endpoints, endpointsView, endpoints);
      await remove(pass, resources.endpointSlices, views.endpointSlices, slices);
      await remove(pass, resources.services, views.services, service);
      pass.end();
    },
  };
}

/** The writes of one namespace: one that fails holds up no other, or dead addresses would stay for its sake. */
interface Pass {
  readonly namespace: string;
  readonly attempt: (write: () => Promise<void>) => Promise<void>;
  /** @throws the first failure */
  end(): void;
}

function createPass(namespace: string): Pass {
  const failures: unknown[] = [];
  return {
    namespace,
    async attempt(write) {
      try {
        await write();
      } catch (error) {
        failures.push(error);
      }
    },
    end() {
      if (failures.length > 0) throw failures[0];
    },
  };
}

import { hasStatus } from '../kubernetes/errors.ts';
import type { KubernetesObject, WorkloadEntry } from '../kubernetes/objects.ts';
import type { Resource, Resources } from '../kubernetes/resources.ts';
import type { View } from '../kubernetes/view.ts';
import type { ObjectApi } from '../kubernetes/write.ts';
import type { Changes } from '../reconcile/changes.ts';
import { ownershipLabels, type Owner } from '../reconcile/mark.ts';
import {
  endpointsBody,
  importedSliceBody,
  ownerReference,
  serviceBody,
  sliceBody,
  toCreate,
  toPatch,
  workloadEntryBody,
  type Body,
} from './bodies.ts';
import type { DesiredSlice } from './desired.ts';
import type { ImportPlan } from './imports/planner.ts';
import type { ImportedSlice } from './imports/slices.ts';
import { MissingEndpoints } from './missing-endpoints.ts';
import type { NamespacePlan } from './namespace-plan.ts';
import type { Views } from './views.ts';
import type { DesiredWorkloadEntry } from './workload-entries.ts';

/** One address is in one entry, so that their order does not matter; and there are as many as instances. */
const ENTRIES_AT_ONCE = 4;

/** There is an object of that name which the view does not show, or not yet as ours: the next look may know more. */
export class NameTaken extends Error {}

export interface Writer {
  /**
   * Writes one namespace's plan: first what comes (Service, slices, Endpoints, WorkloadEntries), then what goes, the other
   * way round, so that an address that moves between slices is never nowhere; nor when the slice it moves to is refused.
   * @throws the first failure, after everything was tried
   */
  apply(plan: NamespacePlan): Promise<void>;
  /** The same for the slices of a Service that is somebody else's. */
  applyImport(plan: ImportPlan): Promise<void>;
}

/**
 * Writes objects to Kubernetes. Whatever the API server answers goes into the view at once, so that the next look does
 * not depend on how quickly the watch delivers our own work.
 */
export function createWriter(owner: Owner, api: ObjectApi, resources: Resources, views: Views): Writer {
  const labels = ownershipLabels(owner);
  const ownerOf = (namespace: string, name: string) =>
    ownerReference(views.services.get(`${namespace}/${name}`), namespace, name);

  async function write<D extends { readonly name: string }, O extends KubernetesObject>(
    pass: Pass,
    resource: Resource<O>,
    view: View<O> | undefined,
    { create, update }: Changes<D, O>,
    body: (desired: D, observed?: O) => Body,
    { atOnce = 1, guard }: WriteOptions<NoInfer<D>, NoInfer<O>> = {},
  ): Promise<void> {
    const { namespace } = pass;
    const orMiss = (desired: D, write: () => Promise<void>) => async () => {
      try {
        await write();
      } catch (error) {
        guard?.add(desired);
        throw error;
      }
    };
    const creations = create.map((desired) =>
      orMiss(desired, async () => {
        const object = toCreate(body(desired), namespace, desired.name);
        view?.put(await createNew(resource, namespace, desired.name, object));
      }),
    );
    const updates = update.map(({ desired, observed }) =>
      orMiss(desired, async () => {
        guard?.assertKept(observed, desired);
        view?.put(await api.patch(resource, observed, toPatch(body(desired, observed))));
      }),
    );
    await attemptAll(pass, [...creations, ...updates], atOnce);
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
    pass: Pass,
    resource: Resource<O>,
    view: View<O> | undefined,
    { remove: objects }: Changes<unknown, O>,
    { atOnce = 1, guard }: WriteOptions<unknown, NoInfer<O>> = {},
  ): Promise<void> {
    const removals = objects.map((object) => async () => {
      guard?.assertKept(object);
      await api.remove(resource, object);
      view?.drop(object);
    });
    await attemptAll(pass, removals, atOnce);
  }

  /** Nothing when the kind has gone since it was planned: then the next plan is another. */
  async function writeEntries(pass: Pass, changes: NamespacePlan['workloadEntries']): Promise<void> {
    const { found } = views.workloadEntries;
    if (!found) return;
    const view = found.views.get(pass.namespace);
    const body = (desired: DesiredWorkloadEntry, observed?: WorkloadEntry) =>
      workloadEntryBody(labels, desired, ownerOf(pass.namespace, desired.serviceName), observed);
    await write(pass, found.resource, view, changes, body, { atOnce: ENTRIES_AT_ONCE });
    await remove(pass, found.resource, view, changes, { atOnce: ENTRIES_AT_ONCE });
  }

  return {
    async apply({ namespace, service, slices, endpoints, workloadEntries }) {
      const pass = createPass(namespace);
      const endpointsView = views.endpoints.get(namespace);
      await write(pass, resources.services, views.services, service, (desired) => serviceBody(labels, desired));
      const guard = new MissingEndpoints();
      const body = (desired: DesiredSlice) => sliceBody(labels, desired, ownerOf(namespace, desired.serviceName));
      await write(pass, resources.endpointSlices, views.endpointSlices, slices, body, { guard });
      await write(pass, resources.endpoints, endpointsView, endpoints, (desired) =>
        endpointsBody(labels, desired, ownerOf(namespace, desired.name)),
      );
      await writeEntries(pass, workloadEntries);
      await remove(pass, resources.endpoints, endpointsView, endpoints);
      await remove(pass, resources.endpointSlices, views.endpointSlices, slices, { guard });
      await remove(pass, resources.services, views.services, service);
      pass.end();
    },

    async applyImport({ namespace, service, slices }) {
      const pass = createPass(namespace);
      const guard = new MissingEndpoints();
      const body = (desired: ImportedSlice) =>
        importedSliceBody(labels, desired, ownerReference(service, namespace, desired.serviceName));
      await write(pass, resources.endpointSlices, views.endpointSlices, slices, body, { guard });
      await remove(pass, resources.endpointSlices, views.endpointSlices, slices, { guard });
      pass.end();
    },
  };
}

interface WriteOptions<D, O> {
  /** @default 1 */
  readonly atOnce?: number;
  /** Told of what could not be written; refuses what would lose something for its sake. */
  readonly guard?: { add(desired: D): void; assertKept(observed: O, desired?: D): void };
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

async function attemptAll({ attempt }: Pass, writes: readonly (() => Promise<void>)[], atOnce: number): Promise<void> {
  for (let first = 0; first < writes.length; first += atOnce)
    await Promise.all(writes.slice(first, first + atOnce).map(attempt));
}

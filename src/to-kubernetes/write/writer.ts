import { hasStatus } from '../../kubernetes/errors.ts';
import type { EndpointSlice, KubernetesObject, Service, WorkloadEntry } from '../../kubernetes/objects.ts';
import type { Resource, Resources } from '../../kubernetes/resources.ts';
import type { View } from '../../kubernetes/view.ts';
import type { ObjectApi, WriteMode } from '../../kubernetes/object-api.ts';
import type { Changes } from '../../reconcile/changes.ts';
import { ownershipLabels, type Owner } from '../../mark.ts';
import { ownerReference, toCreate, toPatch, type Body } from '../objects/body.ts';
import { type DesiredSlice, endpointsField, importedSliceBody, sliceBody } from '../objects/slice.ts';
import { growingFirst, MissingEndpoints, staysError } from './missing-endpoints.ts';
import type { NamespacePlan } from '../plan/namespace-plan.ts';
import type { Disputes } from './disputes.ts';
import { createAttempts, type Attempts } from './attempts.ts';
import { readHosts } from '../objects/hosts-annotation.ts';
import type { Views } from '../views.ts';
import { type DesiredWorkloadEntry, workloadEntryBody } from '../objects/workload-entry.ts';
import { withIndex, type ConsulMark } from '../objects/index-annotation.ts';
import {
  endpointsDifferences,
  serviceDifferences,
  sliceDifferences,
  workloadEntryDifferences,
  type Difference,
} from '../objects/differences.ts';
import { endpointsBody, endpointsWith, type DesiredEndpoints } from '../objects/endpoints.ts';
import type { Place } from '../objects/ports.ts';
import { ENDPOINTS, slicesDivided, writeDivided, type Attempt, type Divided, type Outcome } from './divided-write.ts';
import type { RefusedEndpoints } from './refused-endpoints.ts';
import { serviceBody } from '../objects/service.ts';

/** One address is in one entry, so that their order does not matter; and there are as many as instances. */
const ENTRIES_AT_ONCE = 4;

/** There is an object of that name which the view does not show, or not yet as ours: the next look may know more. */
export class NameTaken extends Error {
  /** Of the object. */
  readonly kind: string;

  constructor(kind: string, key: string, cause: unknown) {
    super(`create ${kind} ${key}: expected no object of that name, found one`, { cause });
    this.kind = kind;
  }
}

/** What is to be written for a Service of somebody else's. */
export interface ImportChanges {
  readonly namespace: string;
  readonly service: Service | undefined;
  readonly slices: Changes<DesiredSlice, EndpointSlice>;
}

export interface Writer {
  /**
   * Writes one namespace's plan: first what comes (Service, slices, Endpoints, WorkloadEntries), then what goes, the other
   * way round, so that an address that moves between slices is never nowhere; nor when the slice it moves to is refused.
   * @throws the first failure, after everything was tried
   */
  apply(plan: NamespacePlan): Promise<void>;
  /** The same for the slices of a Service that is somebody else's. */
  applyImport(plan: ImportChanges): Promise<void>;
}

/** A write that the API server took. */
export interface Written {
  readonly action: 'created' | 'updated' | 'deleted';
  readonly kind: string;
  /** As it is now, or was until now. */
  readonly object: KubernetesObject;
  /** Of an update: what of it was not as it should be. */
  readonly differences: readonly Difference[];
}

/** What earlier writes have shown. */
export interface WriterMemory {
  readonly refused: Pick<RefusedEndpoints, 'of' | 'refuse' | 'take'>;
  readonly disputes: Pick<Disputes, 'assertRested' | 'wrote' | 'forget'>;
}

/**
 * Writes objects to Kubernetes. Whatever the API server answers goes into the view at once, so that the next look does
 * not depend on how quickly the watch delivers our own work.
 */
export function createWriter(
  owner: Owner,
  api: Pick<ObjectApi, 'create' | 'patch' | 'remove'>,
  resources: Resources,
  views: Views,
  consulMark: () => ConsulMark,
  { refused, disputes }: WriterMemory,
  onWritten: (written: Written) => void,
): Writer {
  const labels = ownershipLabels(owner);
  const ownerOf = (namespace: string, name: string) =>
    ownerReference(views.services.get(`${namespace}/${name}`), namespace, name);

  async function write<D extends Named, O extends KubernetesObject>(
    attempts: Attempts,
    resource: Resource<O>,
    view: View<O> | undefined,
    { create, update }: Changes<D, O>,
    body: (desired: D, observed?: O) => Body,
    { differences, atOnce, onFailure, keep, divided }: WriteOptions<NoInfer<D>, NoInfer<O>>,
  ): Promise<void> {
    const { namespace } = attempts;
    const send = async (wish: D, observed: O | undefined, attempt: Attempt<D, O>): Promise<Outcome<D, O>> => {
      const { name, serviceName = name } = wish;
      const subject = { kind: resource.kind, namespace, name, serviceName, desired: wish, before: observed };
      disputes.assertRested(subject);
      const answered = view?.beginWrite();
      const outcome: Outcome<D, O> = divided
        ? await writeDivided(refused, divided, { namespace, desired: wish, observed, attempt })
        : { sent: wish, written: await attempt(wish, 'write') };
      const { sent, written } = outcome;
      if (!written) return outcome;
      answered?.put(written);
      const undone = observed ? differences(sent, observed) : [];
      onWritten({
        action: observed ? 'updated' : 'created',
        kind: resource.kind,
        object: written,
        differences: undone,
      });
      disputes.wrote({ ...subject, undone, altered: differences(sent, written) });
      return outcome;
    };
    const orTell = async (desired: D, wish: D, observed: O | undefined, attempt: Attempt<D, O>) => {
      const { stranded } = await send(wish, observed, attempt).catch((error: unknown) => {
        onFailure?.(desired);
        throw error;
      });
      if (!stranded) return;
      onFailure?.(stranded.desired);
      throw stranded.error;
    };
    const creations = create.map((desired) => async () => {
      await orTell(desired, desired, undefined, (wish, mode) =>
        createNew(resource, namespace, wish.name, toCreate(body(wish), namespace, wish.name), mode),
      );
    });
    const updates = update.map(({ desired, observed }) => async () => {
      const wish = keep?.(desired, observed) ?? desired;
      await orTell(desired, wish, observed, (wish, mode) =>
        api.patch(resource, observed, toPatch(body(wish, observed)), mode),
      );
      if (wish !== desired) throw staysError('patch', resource.kind, observed);
    });
    await attempts.attempt([...creations, ...updates], atOnce);
  }

  async function createNew<O extends KubernetesObject>(
    resource: Resource<O>,
    namespace: string,
    name: string,
    body: object,
    mode: WriteMode,
  ): Promise<O> {
    try {
      return await api.create(resource, namespace, name, body, mode);
    } catch (cause) {
      if (!hasStatus(cause, 409)) throw cause;
      throw new NameTaken(resource.kind, `${namespace}/${name}`, cause);
    }
  }

  async function remove<O extends KubernetesObject>(
    attempts: Attempts,
    resource: Resource<O>,
    view: View<O> | undefined,
    { remove: objects }: Changes<unknown, O>,
    { atOnce, isNeeded }: RemoveOptions<NoInfer<O>> = {},
  ): Promise<void> {
    const removals = objects.map((object) => async () => {
      if (isNeeded?.(object)) throw staysError('delete', resource.kind, object);
      const answered = view?.beginWrite();
      await api.remove(resource, object);
      answered?.drop(object);
      onWritten({ action: 'deleted', kind: resource.kind, object, differences: [] });
      disputes.forget({ kind: resource.kind, serviceName: '', ...object });
    });
    await attempts.attempt(removals, atOnce);
  }

  /** What could not be written is missing afterwards. */
  function writeSlices(
    attempts: Attempts,
    slices: Changes<DesiredSlice, EndpointSlice>,
    body: (desired: DesiredSlice) => Body,
    missing: MissingEndpoints,
  ): Promise<void> {
    const { create, update } = slices;
    const changes = { create, update: growingFirst(update), remove: [] };
    const bodyNow = (desired: DesiredSlice) => withIndex(body(desired), consulMark());
    return write(attempts, resources.endpointSlices, views.endpointSlices, changes, bodyNow, {
      differences: sliceDifferences,
      divided: slicesDivided([...update.map(({ observed }) => observed), ...slices.remove]),
      onFailure: (desired) => missing.add(desired),
      keep: (desired, observed) => {
        const lost = missing.lost(observed, desired);
        const hosts = readHosts(observed);
        const kept = lost.map(({ address, zone }) => ({ address, zone, host: hosts.get(address) ?? '' }));
        return kept.length === 0 ? desired : { ...desired, endpoints: [...desired.endpoints, ...kept] };
      },
    });
  }

  /** What is needed elsewhere stays, and nothing else of its slice. */
  async function removeSlices(
    attempts: Attempts,
    slices: Changes<unknown, EndpointSlice>,
    missing: MissingEndpoints,
  ): Promise<void> {
    const [resource, view] = [resources.endpointSlices, views.endpointSlices];
    const reductions = slices.remove.map((slice) => async () => {
      const lost = missing.lost(slice);
      if (lost.length === 0 || lost.length === slice.endpoints.length) return;
      const answered = view.beginWrite();
      const object = await api.patch(resource, slice, endpointsField(lost));
      answered.put(object);
      onWritten({ action: 'updated', kind: resource.kind, object, differences: [] });
    });
    await attempts.attempt(reductions);
    await remove(attempts, resource, view, slices, { isNeeded: (slice) => missing.lost(slice).length > 0 });
  }

  /** Nothing when the kind has gone from there since it was planned: then the next plan is another. */
  async function writeEntries(
    attempts: Attempts,
    changes: NamespacePlan['workloadEntries'],
    missing: MissingEndpoints,
  ): Promise<void> {
    const { found } = views.workloadEntries;
    const view = found?.views.get(attempts.namespace);
    if (!found || !view) return;
    const body = (desired: DesiredWorkloadEntry, observed?: WorkloadEntry) =>
      workloadEntryBody(labels, desired, ownerOf(attempts.namespace, desired.serviceName), observed);
    const differences = workloadEntryDifferences;
    await write(attempts, found.resource, view, changes, body, { differences, atOnce: ENTRIES_AT_ONCE });
    const isNeeded = (entry: WorkloadEntry) => missing.needs(entry);
    await remove(attempts, found.resource, view, changes, { atOnce: ENTRIES_AT_ONCE, isNeeded });
  }

  return {
    async apply({ namespace, service, slices, endpoints, workloadEntries }) {
      const attempts = createAttempts(namespace);
      const endpointsView = views.endpoints.get(namespace);
      await write(attempts, resources.services, views.services, service, (desired) => serviceBody(labels, desired), {
        differences: serviceDifferences,
      });
      const missing = new MissingEndpoints();
      const body = (desired: DesiredSlice) => sliceBody(labels, desired, ownerOf(namespace, desired.serviceName));
      await writeSlices(attempts, slices, body, missing);
      // They say what the slices say: what these could not have is left out here too.
      const isTaken = (name: string) => (place: Place) =>
        refused.of('EndpointSlice', namespace, name, place)?.isDue !== false;
      const shown = (desired: DesiredEndpoints) => endpointsWith(desired, isTaken(desired.name));
      const changes = {
        create: endpoints.create.map(shown),
        update: endpoints.update.map(({ desired, observed }) => ({ desired: shown(desired), observed })),
        remove: [],
      };
      const bodyOfEndpoints = (desired: DesiredEndpoints) =>
        endpointsBody(labels, desired, ownerOf(namespace, desired.name));
      await write(attempts, resources.endpoints, endpointsView, changes, bodyOfEndpoints, {
        differences: endpointsDifferences,
        divided: ENDPOINTS,
      });
      await writeEntries(attempts, workloadEntries, missing);
      await remove(attempts, resources.endpoints, endpointsView, endpoints);
      await removeSlices(attempts, slices, missing);
      await remove(attempts, resources.services, views.services, service);
      attempts.end();
    },

    async applyImport({ namespace, service, slices }) {
      const attempts = createAttempts(namespace);
      const missing = new MissingEndpoints();
      const body = (desired: DesiredSlice) =>
        importedSliceBody(labels, desired, ownerReference(service, namespace, desired.serviceName));
      await writeSlices(attempts, slices, body, missing);
      await removeSlices(attempts, slices, missing);
      attempts.end();
    },
  };
}

interface Named {
  readonly name: string;
  /** @default its own name */
  readonly serviceName?: string;
}

interface WriteOptions<D, O> {
  /** What of an object is not as it is wanted. */
  readonly differences: (desired: D, observed: O) => Difference[];
  /** @default 1 */
  readonly atOnce?: number;
  /** Told of what could not be written. */
  readonly onFailure?: (desired: D) => void;
  /** The wish, or more than that where something would be lost by it. */
  readonly keep?: (desired: D, observed: O) => D;
  /** How it is written without the endpoints that are refused. */
  readonly divided?: Divided<D, O>;
}

interface RemoveOptions<O> {
  /** @default 1 */
  readonly atOnce?: number;
  /** True for what may not go yet. */
  readonly isNeeded?: (object: O) => boolean;
}

import type { ToConsulConfig } from '../config/schema.ts';
import type { ConsulClient } from '../consul/client.ts';
import { TransactionConflict } from '../consul/errors.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import { objectKey, type KubernetesObject, type Service } from '../kubernetes/objects.ts';
import { serviceKeyOf, type Resource, type Resources } from '../kubernetes/resources.ts';
import type { ObjectApi } from '../kubernetes/write.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Controller } from '../reconcile/controller.ts';
import type { Owner } from '../reconcile/mark.ts';
import { quote, type Rejection } from './annotations.ts';
import { followDrift } from './drift.ts';
import type { Observed, OwnCatalog } from './observed.ts';
import { Planner, podsOfSlice, type PodPlan, type Views } from './planner.ts';
import { Writer } from './writer.ts';

/** Keys that may wait for their transaction at a time: more than any batch takes, so that reconciling never caps it. */
const CONCURRENCY = 1024;
const REFUSED_NODE_RETRY_MS = 30_000;

export interface ToConsulOptions {
  readonly owner: Owner;
  readonly config: ToConsulConfig;
  readonly views: Views;
  readonly own: OwnCatalog;
  /** Operations that this Consul takes in one transaction. */
  readonly transactionLimit: number;
  readonly consul: ConsulClient;
  readonly api: ObjectApi;
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

export interface ToConsul {
  /** What of Consul is not being followed right now, one sentence each. */
  failures(): string[];
  status(): object;
  /** Sends what is being sent, takes nothing more; removes nothing. */
  stop(limitMs: number): Promise<void>;
}

/**
 * Kubernetes to Consul: every change of a pod, of a Service or slice over it, or of its node puts the pod's key in the
 * queue; reconciling a key compares what should be with what is and hands the key to the writer.
 */
export function runToConsul(options: ToConsulOptions): ToConsul {
  const { owner, config, views, own, consul, log, metrics, signal } = options;
  const planner = new Planner(owner, config, views, own);
  /** The plans that were sent last, for keys being reconciled and for keys whose node is refused. */
  const latest = new Map<string, PodPlan>();
  const writer = new Writer({
    client: consul,
    owner,
    own,
    plan: planToWrite,
    onDrift: (keys) => [...keys].forEach((key) => controller.enqueue(key)),
    limit: options.transactionLimit,
    log,
    metrics,
  });
  const report = createReporter(options);
  const controller = new Controller({
    direction: 'to-consul',
    concurrency: CONCURRENCY,
    isRace: (error) => (error instanceof TransactionConflict && !error.isDenied) || error instanceof ViewBehind,
    log,
    metrics,
    reconcile: async (key) => {
      for (const node of latest.get(key)?.refusedNodes ?? []) await own.refresh(node);
      // What needs no proof first: a proof that cannot be had must not hold it up.
      await writer.submit(key);
      const unproven = latest.get(key)?.unproven ?? [];
      if (unproven.length > 0) {
        await prove(options, planner, key, unproven);
        await writer.submit(key);
      }
      if (latest.get(key)?.refusedNodes.length === 0) latest.delete(key);
      metrics.owned.set({ direction: 'to-consul' }, own.size);
    },
  });
  /** At the moment of sending: the latest state, and what of it has to be told. */
  function planToWrite(key: string): PodPlan['changes'] {
    const plan = planner.plan(key);
    latest.set(key, plan);
    report.rejections(key, plan.rejections);
    // Nobody tells us when somebody else's node goes away.
    if (plan.refusedNodes.length > 0) controller.enqueueAfter(key, REFUSED_NODE_RETRY_MS);
    return plan.changes;
  }

  subscribe(views, planner, (keys) => {
    for (const key of keys) controller.enqueue(key);
  });
  const reportService = (service: Service | undefined) =>
    service && report.service(service, planner.addressesWithoutPod(service));
  views.services.subscribe((before, after) => {
    if (after) reportService(after);
    else if (before) report.service(before, []);
  });
  views.endpointSlices.subscribe((_, slice) => slice && reportService(views.services.get(serviceKeyOf(slice))));
  for (const service of views.services.values()) reportService(service);
  for (const key of planner.keys()) controller.enqueue(key);
  const unfollowed = new Map<string, string>();
  followDrift({
    client: consul,
    owner,
    own,
    log,
    metrics,
    signal,
    onDrift: (keys) => [...keys].forEach((key) => controller.enqueue(key)),
    onFailure: (what, error) =>
      error === undefined ? unfollowed.delete(what) : unfollowed.set(what, explainError(error)),
  });
  return {
    failures: () => [...unfollowed].map(([what, why]) => `${what}: ${why}`),
    status: () => ({ instances: own.size, rejected: report.rejected(), ...controller.status }),
    stop: async (limitMs) => {
      writer.stop();
      await controller.drain(limitMs);
    },
  };
}

/** The view does not show what a direct read shows: the key waits until it does. */
class ViewBehind extends Error {}

/** Reads directly what an inferred removal waits for. @throws ViewBehind when the object is there after all. */
async function prove(
  { api, resources, log }: ToConsulOptions,
  planner: Planner,
  key: string,
  unproven: readonly Observed[],
): Promise<void> {
  for (const observed of unproven) {
    const proof = planner.proofNeeded(key, observed);
    const resource: Resource<KubernetesObject> = proof.kind === 'Pod' ? resources.pods : resources.services;
    const found = await api.get(resource, proof.namespace, proof.name);
    if (found && (proof.uid === '' || found.uid === proof.uid)) {
      throw new ViewBehind(
        `deregister ${observed.registration.id}: the ${proof.kind} is missing from the watch but exists`,
      );
    }
    log.info('instance without its object, deregistering', describe(observed, proof.kind));
    planner.proveGone(observed);
  }
}

function describe({ registration, podKey, podUid }: Observed, missing: string): Record<string, string> {
  return { instance: registration.id, node: registration.node.name, pod: podKey, uid: podUid, missing };
}

/** From what changed in Kubernetes to the pods to look at. */
function subscribe(views: Views, planner: Planner, enqueue: (keys: Iterable<string>) => void): void {
  views.pods.subscribe((before, after) => {
    const pod = after ?? before;
    if (pod) enqueue([objectKey(pod)]);
  });
  views.services.subscribe((before, after) => {
    const service = after ?? before;
    if (service) enqueue(planner.podsOfService(service));
  });
  views.endpointSlices.subscribe((before, after) => {
    enqueue(new Set([...(before ? podsOfSlice(before) : []), ...(after ? podsOfSlice(after) : [])]));
  });
  views.nodes.subscribe((before, after) => {
    const node = after ?? before;
    if (node) enqueue(planner.podsOfNode(node));
  });
}

/** Tells the person who can fix it: an Event on the object, a metric, and the log, once for each new reason. */
function createReporter({ views, events, resources, log, metrics }: ToConsulOptions) {
  const current = new Map<string, string>();
  const tell = (resource: Resource<KubernetesObject>, object: KubernetesObject, rejections: readonly Rejection[]) => {
    const identity = `${resource.kind} ${objectKey(object)}`;
    const messages = rejections.map(({ message }) => message).join('; ');
    if (messages === '') return void current.delete(identity);
    if (current.get(identity) === messages) return;
    current.set(identity, messages);
    for (const { reason, message } of rejections) {
      metrics.rejections.inc({ direction: 'to-consul', reason });
      log.warn('rejected', {
        direction: 'to-consul',
        kind: resource.kind,
        object: objectKey(object),
        reason,
        why: message,
      });
      events.report(resource, object, {
        type: 'Warning',
        reason,
        action: 'Register',
        note: `Not registered in Consul as asked: ${message}`,
      });
    }
  };
  return {
    rejected: () => current.size,
    rejections: (podKey: string, rejections: readonly Rejection[]) => {
      const pod = views.pods.get(podKey);
      if (pod) tell(resources.pods, pod, rejections);
      else current.delete(`${resources.pods.kind} ${podKey}`);
    },
    service: (service: Service, addresses: readonly string[]) => {
      const shown = addresses.slice(0, 3).map(quote).join(', ');
      const message = `${addresses.length} endpoint${addresses.length === 1 ? '' : 's'} of this Service belong to no pod and cannot be registered: ${shown}`;
      tell(resources.services, service, addresses.length > 0 ? [{ reason: 'NoPod', message }] : []);
    },
  };
}

import type { ToConsulConfig } from '../config/schema.ts';
import type { ConsulClient } from '../consul/client.ts';
import { TransactionConflict } from '../consul/errors.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import { objectKey, serviceKeyOf, zoneOf, type Service } from '../kubernetes/objects.ts';
import type { Resources } from '../kubernetes/resources.ts';
import type { ObjectApi } from '../kubernetes/object-api.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Controller, type ControllerStatus } from '../reconcile/controller.ts';
import type { Owner } from '../mark.ts';
import { Admission } from './plan/admission.ts';
import { followDrift, type LookPace } from './observed/drift.ts';
import type { ForeignInstances } from './observed/foreign-instances.ts';
import type { OwnCatalog } from './observed/own-catalog.ts';
import { Gatekeeper } from './report/readiness-gate.ts';
import { EMPTY_NODE_MS, removeEmptyNodes } from './nodes/empty-node-remover.ts';
import { Planner, podsOfSlice } from './plan/planner.ts';
import { Prover, ViewBehind } from './plan/prover.ts';
import { createReporter } from './report/reporter.ts';
import { Writer } from './write/writer.ts';
import type { PodPlan } from './plan/pod-plan.ts';
import type { Views } from './views.ts';

/** Keys that may wait for their transaction at a time: more than any batch takes, so that reconciling never caps it. */
const CONCURRENCY = 1024;
const REFUSED_NODE_RETRY_MS = 30_000;

export interface ToConsulOptions {
  readonly owner: Owner;
  readonly config: ToConsulConfig;
  readonly views: Views;
  readonly own: OwnCatalog;
  readonly foreign: ForeignInstances;
  /** Operations that this Consul takes in one transaction. */
  readonly transactionLimit: number;
  readonly consul: ConsulClient;
  readonly api: ObjectApi;
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** Told of each complete look at what is ours in Consul. */
  readonly onLook: () => void;
  /** How looks at what is ours keep their distance. @default as in drift.ts */
  readonly lookPace?: LookPace | undefined;
  /** How long a Consul node of ours must have been empty to be removed. */
  readonly emptyNodeMs?: number | undefined;
  /** False while anything in either system is not read or not followed. */
  readonly isFollowing: () => boolean;
}

export interface ToConsulStatus extends ControllerStatus {
  /** In Consul, by us. */
  readonly instances: number;
  /** Objects with input that cannot be honoured. */
  readonly rejected: number;
  /** Instances that stay although they are not wanted as they are. */
  readonly held: number;
}

export interface ToConsul {
  /** What of Consul is not being followed right now, one sentence each. */
  failures(): string[];
  status(): ToConsulStatus;
  /** What is rejected and what is held, an object each. */
  troubles(): Iterable<string>;
  /** Sends what is being sent, takes nothing more; removes nothing. */
  stop(limitMs: number): Promise<void>;
}

/**
 * Kubernetes to Consul: every change of a pod, of a Service or slice over it, or of its node puts the pod's key in the
 * queue; reconciling a key compares what should be with what is and hands the key to the writer.
 */
export function runToConsul(options: ToConsulOptions): ToConsul {
  const { owner, config, views, own, foreign, consul, log, metrics, signal } = options;
  const enqueue = (keys: Iterable<string>) => {
    for (const key of keys) controller.enqueue(key);
  };
  const admission = new Admission(config.policy, foreign, own, enqueue);
  const planner = new Planner(owner, config, views, own, admission);
  /** The plans that were sent last, for keys being reconciled and for keys whose node is refused. */
  const latest = new Map<string, PodPlan>();
  const writer = new Writer({
    client: consul,
    owner,
    own,
    plan: planToWrite,
    onDrift: enqueue,
    limit: options.transactionLimit,
    log,
    metrics,
  });
  const prover = new Prover(options);
  const report = createReporter(options);
  const gatekeeper = new Gatekeeper(options);
  /** Pods to how many of their instances stay although they are not wanted as they are. */
  const held = new Map<string, number>();
  const controller = new Controller({
    direction: 'to-consul',
    concurrency: CONCURRENCY,
    isRace: (error) => (error instanceof TransactionConflict && !error.isDenied) || error instanceof ViewBehind,
    log,
    metrics,
    reconcile: async (key) => {
      for (const node of latest.get(key)?.refusedNodes ?? []) enqueue(await own.refresh(node));
      // What needs no proof first: a proof that cannot be had must not hold it up.
      await writer.submit(key);
      const unread = latest.get(key)?.unread ?? [];
      if (unread.length > 0) {
        await Promise.all(unread.map((service) => foreign.ensure(service)));
        await writer.submit(key);
        // The queue took longer than an answer stays fresh: nothing else would bring the key back.
        if ((latest.get(key)?.unread.length ?? 0) > 0)
          throw new ViewBehind(
            `write ${key} to Consul: who else has its services was not known any more when it was sent`,
          );
      }
      const unproven = latest.get(key)?.unproven ?? [];
      if (unproven.length > 0) {
        await prover.prove(planner, key, unproven);
        await writer.submit(key);
      }
      if (config.readinessGate) await gatekeeper.settle(key, planner.plan(key));
      const plan = latest.get(key);
      held.delete(key);
      if (plan && plan.held.length > 0) held.set(key, plan.held.length);
      if (plan?.refusedNodes.length === 0) latest.delete(key);
      metrics.owned.set({ direction: 'to-consul' }, own.size);
    },
  });
  /** At the moment of sending: the latest state, and what of it has to be told. */
  function planToWrite(key: string): PodPlan['changes'] {
    const plan = planner.plan(key);
    latest.set(key, plan);
    report.rejections(key, plan.rejections);
    report.warnings(key, plan.warnings);
    // Nobody tells us when somebody else's node goes away.
    if (plan.refusedNodes.length > 0) controller.enqueueAfter(key, REFUSED_NODE_RETRY_MS);
    return plan.changes;
  }

  subscribe(views, planner, enqueue);
  const reportService = (service: Service | undefined) =>
    service && report.service(service, planner.addressesWithoutPod(service));
  views.services.subscribe((before, after) => {
    if (after) reportService(after);
    else if (before) report.service(before, []);
  });
  views.endpointSlices.subscribe((before, after) => {
    const keys = new Set([before, after].flatMap((slice) => (slice ? serviceKeyOf(slice) : [])));
    for (const key of keys) reportService(views.services.get(key));
  });
  for (const service of views.services.values()) reportService(service);
  views.pods.subscribe((before, after) => before && before.uid !== after?.uid && gatekeeper.forget(before.uid));
  enqueue(planner.keys());
  const unfollowed = new Map<string, string>();
  followDrift({
    client: consul,
    owner,
    own,
    foreign,
    log,
    metrics,
    signal,
    onDrift: enqueue,
    onFailure: (what, error) =>
      error === undefined ? unfollowed.delete(what) : unfollowed.set(what, explainError(error)),
    onLook: options.onLook,
    pace: options.lookPace,
  });
  void removeEmptyNodes({ ...options, client: consul, writer, graceMs: options.emptyNodeMs ?? EMPTY_NODE_MS });
  return {
    failures: () => [...unfollowed].map(([what, why]) => `${what}: ${why}`),
    status: () => ({
      instances: own.size,
      rejected: report.rejected.size,
      held: [...held.values()].reduce((sum, instances) => sum + instances, 0),
      ...controller.status,
    }),
    *troubles() {
      const heldBy = new Map([...held].map(([key, instances]) => [`Pod ${key}`, ` (${instances} held)`]));
      for (const [object, why] of report.rejected) yield `${object}${heldBy.get(object) ?? ''}: ${why}`;
      for (const [object, instances] of heldBy)
        if (!report.rejected.has(object)) yield `${object}${instances}: what is to replace it is not known yet`;
    },
    stop: async (limitMs) => {
      writer.stop();
      await controller.drain(limitMs);
    },
  };
}

/** From what changed in Kubernetes to the pods to look at. */
function subscribe(views: Views, planner: Planner, enqueue: (keys: Iterable<string>) => void): void {
  views.pods.subscribe((before, after) => {
    const pod = after ?? before;
    if (pod) enqueue([objectKey(pod)]);
  });
  views.services.subscribe((before, after) => {
    // Whom it asked for before is not always whom it asks for now.
    for (const service of [before, after]) if (service) enqueue(planner.podsOfService(service));
  });
  views.endpointSlices.subscribe((before, after) => {
    enqueue(new Set([...(before ? podsOfSlice(before) : []), ...(after ? podsOfSlice(after) : [])]));
  });
  views.nodes.subscribe((before, after) => {
    const node = after ?? before;
    if (!node || (before?.internalIP === after?.internalIP && zoneOf(before) === zoneOf(after))) return;
    enqueue(planner.podsOfNode(node));
  });
}

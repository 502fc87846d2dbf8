import type { ToKubernetesConfig } from '../config/schema.ts';
import type { ServiceCatalog } from '../consul/service-catalog.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import { objectKey, type KubernetesObject } from '../kubernetes/objects.ts';
import type { Resources } from '../kubernetes/resources.ts';
import type { ObjectApi } from '../kubernetes/write.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Controller, type ControllerStatus } from '../reconcile/controller.ts';
import type { Owner } from '../reconcile/mark.ts';
import { Planner, type NamePlan, type NamespacePlan, type Views } from './planner.ts';
import { createWriter, NameTaken } from './writer.ts';

/** Each key writes its objects one after the other; this many keys at a time keep the API server comfortable. */
const CONCURRENCY = 8;

export interface ToKubernetesOptions {
  readonly owner: Owner;
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly catalog: ServiceCatalog;
  readonly api: ObjectApi;
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface ToKubernetesStatus extends ControllerStatus {
  /** Mirrored Services of ours. */
  readonly services: number;
  readonly overLimit: number;
  readonly rejected: number;
}

export interface ToKubernetes {
  status(): ToKubernetesStatus;
  /** What is rejected, an object each. */
  troubles(): Iterable<string>;
  stop(limitMs: number): Promise<void>;
}

/**
 * Consul to Kubernetes: every change of a Consul service, and of an object of ours, puts the service's name in the
 * queue; reconciling a name compares what should be with what is and writes the difference.
 */
export function runToKubernetes(options: ToKubernetesOptions): ToKubernetes {
  const { owner, config, views, catalog, api, resources, log, metrics } = options;
  const planner = new Planner(owner, config, views, catalog);
  const writer = createWriter(owner, api, resources, views);
  const grace = createGrace(config.removalGrace);
  const report = createReporter(options);
  const overLimit = new Set<string>();
  const controller = new Controller({
    direction: 'to-kubernetes',
    concurrency: CONCURRENCY,
    isRace: (error) => error instanceof NameTaken || hasStatus(error, 409),
    log,
    metrics,
    reconcile,
  });

  async function reconcile(name: string): Promise<void> {
    // A name that only Kubernetes knows: ask Consul about that one service before believing that it is gone.
    if (catalog.instances(name) === undefined) await catalog.refresh(name);
    const gone = !planner.isMirrored(name) && planner.owns(name);
    if (!gone) grace.end(name);
    const remaining = gone ? grace.remaining(name) : 0;
    const expired = gone && remaining === 0;
    // The Service itself goes only on a fresh answer that the leader confirmed.
    if (expired) await catalog.refresh(name, true);
    const plan = planner.plan(name, expired);
    // A namespace that cannot be written to costs only itself.
    const written = await Promise.allSettled(plan.namespaces.map((namespace) => writer.apply(namespace)));
    report.plan(name, plan);
    for (const outcome of written) if (outcome.status === 'rejected') throw outcome.reason;
    settle(name, plan, remaining);
  }

  function settle(name: string, plan: NamePlan, remaining: number): void {
    metrics.owned.set({ direction: 'to-kubernetes' }, planner.owned);
    if (plan.overLimit) overLimit.add(name);
    else overLimit.delete(name);
    if (plan.mirrored && !plan.overLimit) return catalog.follow(name);
    catalog.unfollow(name);
    if (plan.mirrored) return;
    if (remaining > 0) return controller.enqueueAfter(name, remaining);
    grace.end(name);
    planner.release(name);
    for (const waiting of overLimit) controller.enqueue(waiting);
    for (const sibling of planner.siblings(name)) if (sibling !== name) controller.enqueue(sibling);
  }

  catalog.subscribe((name) => controller.enqueue(name));
  subscribe(views, planner, (names) => {
    for (const name of names) controller.enqueue(name);
  });
  for (const name of planner.keys()) controller.enqueue(name);
  return {
    status: () => ({
      services: planner.owned,
      overLimit: overLimit.size,
      rejected: report.rejected.size,
      ...controller.status,
    }),
    troubles: () => report.rejected.values(),
    stop: async (limitMs) => void (await controller.drain(limitMs)),
  };
}

/** How long a Consul service has been gone. In memory only: after a restart the grace period begins anew. */
function createGrace(graceMs: number) {
  const goneSince = new Map<string, number>();
  return {
    /** Milliseconds until the Service may go; 0 when it may. */
    remaining(name: string): number {
      const now = performance.now();
      const since = goneSince.get(name) ?? now;
      goneSince.set(name, since);
      return Math.max(0, since + graceMs - now);
    },
    end: (name: string) => goneSince.delete(name),
  };
}

/** From what changed in Kubernetes to the names to look at. */
function subscribe(views: Views, planner: Planner, enqueue: (names: Iterable<string>) => void): void {
  const look = (before: KubernetesObject | undefined, after: KubernetesObject | undefined) => {
    for (const object of [before, after]) if (object) enqueue(planner.nameOf(object));
  };
  views.services.subscribe((before, after) => {
    look(before, after);
    // Somebody else's Service may be in the way of a name, or out of it now.
    const service = after ?? before;
    if (service) enqueue(planner.namesWanting(service.name));
  });
  views.endpointSlices.subscribe(look);
  for (const view of views.endpoints.values()) view.subscribe(look);
}

/** Tells what could not be mirrored, once for each new reason: a log line, a metric, and an Event where there is an object. */
function createReporter({ views, events, resources, config, log, metrics }: ToKubernetesOptions) {
  const current = new Map<string, string>();
  const tell = (identity: string, reason: string, message: string, object?: { namespace: string; name: string }) => {
    if (message === '') return void current.delete(identity);
    if (current.get(identity) === message) return;
    current.set(identity, message);
    metrics.rejections.inc({ direction: 'to-kubernetes', reason });
    log.warn('rejected', { direction: 'to-kubernetes', object: identity, reason, why: message });
    const service = object && views.services.get(objectKey(object));
    if (service)
      events.report(resources.services, service, { type: 'Warning', reason, action: 'Mirror', note: message });
  };
  const tellNamespace = (name: string, { namespace, label, conflict, refused }: NamespacePlan) => {
    const identity = `${name} in ${namespace}`;
    tell(
      `${identity} (name)`,
      'NameConflict',
      conflict
        ? `Consul service ${name} cannot be mirrored: a Service with the name ${conflict.name} exists here and is not Consular's`
        : '',
      conflict,
    );
    const shown = refused.slice(0, 3).map(({ instance, reason }) => `${instance}: ${reason}`);
    tell(
      `${identity} (instances)`,
      'InstanceRefused',
      refused.length > 0
        ? `${refused.length} instance${refused.length === 1 ? '' : 's'} of Consul service ${name} cannot be an endpoint: ${shown.join('; ')}`
        : '',
      { namespace, name: label },
    );
  };
  return {
    /** What is wrong, by what it is wrong with. */
    rejected: current as ReadonlyMap<string, string>,
    plan: (name: string, { namespaces, overLimit }: NamePlan) => {
      tell(
        `${name} (limit)`,
        'TooManyServices',
        overLimit
          ? `Consul service ${name} is not mirrored: ${config.maxServices} services are already (toKubernetes.maxServices)`
          : '',
      );
      for (const namespace of config.namespaces) {
        const plan = namespaces.find((candidate) => candidate.namespace === namespace);
        if (plan) tellNamespace(name, plan);
        else for (const kind of ['name', 'instances']) tell(`${name} in ${namespace} (${kind})`, '', '');
      }
    },
  };
}

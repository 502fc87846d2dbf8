import type { ToKubernetesConfig } from '../config/schema.ts';
import type { ServiceCatalog } from '../consul/service-catalog.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import type { KubernetesObject } from '../kubernetes/objects.ts';
import type { Resources } from '../kubernetes/resources.ts';
import type { ObjectApi } from '../kubernetes/write.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Controller, type ControllerStatus } from '../reconcile/controller.ts';
import type { Owner } from '../reconcile/mark.ts';
import { isOfApiServer } from './addresses.ts';
import { createGrace } from './grace.ts';
import type { HostCache } from './host-cache.ts';
import { Planner, type NamePlan } from './planner.ts';
import { createReporter } from './reporter.ts';
import type { Views } from './views.ts';
import { createWriter, NameTaken } from './writer.ts';

/** Each key writes its objects one after the other; this many keys at a time keep the API server comfortable. */
const CONCURRENCY = 8;

export interface ToKubernetesOptions {
  readonly owner: Owner;
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly catalog: ServiceCatalog;
  readonly hosts: HostCache;
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
  stop(limitMs: number): Promise<void>;
}

/**
 * Consul to Kubernetes: every change of a Consul service, and of an object of ours, puts the service's name in the
 * queue; reconciling a name compares what should be with what is and writes the difference.
 */
export function runToKubernetes(options: ToKubernetesOptions): ToKubernetes {
  const { owner, config, views, catalog, hosts, api, resources, log, metrics } = options;
  const planner = new Planner(owner, config, views, catalog, hosts);
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
    const failures = new Map<string, unknown>();
    await Promise.all(
      plan.namespaces.map((part) => writer.apply(part).catch((error: unknown) => failures.set(part.namespace, error))),
    );
    report.plan(name, plan, failures);
    for (const failure of failures.values()) throw failure;
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
  hosts.subscribe((name) => controller.enqueue(name));
  subscribe(views, planner, (names) => {
    for (const name of names) controller.enqueue(name);
  });
  for (const name of planner.keys()) controller.enqueue(name);
  return {
    status: () => ({
      services: planner.owned,
      overLimit: overLimit.size,
      rejected: report.rejected(),
      ...controller.status,
    }),
    stop: async (limitMs) => void (await controller.drain(limitMs)),
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
  views.endpointSlices.subscribe((before, after) => {
    look(before, after);
    if ([before, after].some((slice) => slice && isOfApiServer(slice))) enqueue(planner.keys());
  });
  // Any address may be another Service's from now on.
  views.serviceCIDRs?.subscribe(() => enqueue(planner.keys()));
  for (const view of views.endpoints.values()) view.subscribe(look);
}

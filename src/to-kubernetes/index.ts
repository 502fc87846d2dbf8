import type { ToKubernetesConfig } from '../config/schema.ts';
import type { ServiceCatalog } from '../consul/service-catalog.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import type { Resources } from '../kubernetes/resources.ts';
import type { ObjectApi } from '../kubernetes/object-api.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Controller, type ControllerStatus } from '../reconcile/controller.ts';
import type { Owner } from '../mark.ts';
import { createGrace } from './grace.ts';
import type { HostCache } from './addresses/host-cache.ts';
import { runImports } from './imports/index.ts';
import { Planner, type NamePlan } from './plan/planner.ts';
import { createReporter } from './report/reporter.ts';
import { subscribe, subscribeToAddresses } from './subscriptions.ts';
import type { Views } from './views.ts';
import { createFallbacks, isSignOfAbsence } from './report/istio-fallbacks.ts';
import { createWriter, NameTaken } from './write/writer.ts';

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
  /** Services of others that take instances of a Consul service in. */
  readonly imports: number;
  readonly rejected: number;
  /** The version in which they are written, or why there are none. */
  readonly workloadEntries: string;
  /** How many Consul services should have WorkloadEntries and do not. */
  readonly withoutWorkloadEntries: number;
}

export interface ToKubernetes {
  status(): ToKubernetesStatus;
  /** What is rejected, an object each. */
  troubles(): Iterable<string>;
  stop(limitMs: number): Promise<void>;
}

/**
 * Consul to Kubernetes: every change of a Consul service, and of an object of ours, puts the service's name in the
 * queue; reconciling a name compares what should be with what is and writes the difference. Services of others that take
 * instances in go through the same queue, each under a key of its own.
 */
export function runToKubernetes(options: ToKubernetesOptions): ToKubernetes {
  const { owner, config, views, catalog, hosts, api, resources, log, metrics } = options;
  const planner = new Planner(owner, config, views, catalog, hosts);
  const writer = createWriter(owner, api, resources, views);
  const grace = createGrace(config.removalGrace);
  const report = createReporter(options);
  const fallbacks = createFallbacks(options);
  const overLimit = new Set<string>();
  const controller = new Controller({
    direction: 'to-kubernetes',
    concurrency: CONCURRENCY,
    isRace: (error) => error instanceof NameTaken || hasStatus(error, 409),
    log,
    metrics,
    reconcile: (key) => (imports.hasKey(key) ? imports.reconcile(key) : reconcile(key)),
  });
  const imports = runImports({ ...options, planner, writer, report, enqueue: (key) => controller.enqueue(key) });

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
    fallbacks.note(name, plan);
    if ([...failures.values()].some(isSignOfAbsence)) views.workloadEntries.lookAgain();
    record(name, plan);
    const [first] = failures;
    if (first) throw first[1];
    if (!plan.mirrored) settle(name, remaining);
  }

  function record(name: string, plan: NamePlan): void {
    metrics.owned.set({ direction: 'to-kubernetes' }, planner.owned);
    if (plan.overLimit) overLimit.add(name);
    else overLimit.delete(name);
    if ((plan.mirrored && !plan.overLimit) || imports.takesIn(name)) catalog.follow(name);
    else catalog.unfollow(name);
  }

  function settle(name: string, remaining: number): void {
    if (remaining > 0) return controller.enqueueAfter(name, remaining);
    grace.end(name);
    // Only then: names that want the same Service name and have none would look at each other for ever.
    if (!planner.release(name)) return;
    enqueue(overLimit);
    for (const sibling of planner.siblings(name)) if (sibling !== name) controller.enqueue(sibling);
  }

  function enqueue(names: Iterable<string>): void {
    for (const name of names) controller.enqueue(name);
  }

  catalog.subscribe((name) => controller.enqueue(name));
  hosts.subscribe((name) => controller.enqueue(name));
  subscribe(views, planner, enqueue);
  subscribeToAddresses(views, () => {
    enqueue(planner.keys());
    imports.lookAtAll();
  });
  enqueue(planner.keys());
  return {
    status: () => ({
      services: planner.owned,
      overLimit: overLimit.size,
      imports: imports.count,
      rejected: report.rejected.size,
      workloadEntries: views.workloadEntries.found?.resource.apiVersion ?? views.workloadEntries.absence,
      withoutWorkloadEntries: fallbacks.count,
      ...controller.status,
    }),
    troubles: () => report.rejected.values(),
    stop: async (limitMs) => void (await controller.drain(limitMs)),
  };
}

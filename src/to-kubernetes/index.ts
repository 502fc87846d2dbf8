import type { ToKubernetesConfig } from '../config/schema.ts';
import type { Distrust } from '../consul/distrust.ts';
import { systemClock } from '../clock.ts';
import { lackedAccess, type MayAccess } from '../kubernetes/access.ts';
import { createDeniedAccess } from '../kubernetes/denied-access.ts';
import { hasStatus, isGone } from '../kubernetes/errors.ts';
import { objectKey } from '../kubernetes/objects.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import type { Resources } from '../kubernetes/resources.ts';
import type { ObjectApi } from '../kubernetes/object-api.ts';
import type { ChangeLog } from '../observability/change-log.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { DirectionState } from '../observability/state-gauges.ts';
import type { RetryBrake } from '../retry-brake.ts';
import { Controller, type ControllerStatus } from '../reconcile/controller.ts';
import { Tally } from '../reconcile/tally.ts';
import type { Owner } from '../mark.ts';
import type { Attention, Listing } from '../status-page/listing.ts';
import { createGrace } from './grace.ts';
import type { HostCache } from './addresses/host-cache.ts';
import { runImports } from './imports/index.ts';
import type { ConsulMark } from './objects/index-annotation.ts';
import { ToKubernetesLoop } from './loop.ts';
import { Planner } from './plan/planner.ts';
import { createChangeReport } from './report/changes.ts';
import { reportLosses } from './report/consul-losses.ts';
import { listServices, type ListedService } from './report/listed-services.ts';
import { createReporter, objectOf } from './report/reporter.ts';
import { subscribe, subscribeToAddresses, subscribeToConsul } from './subscriptions.ts';
import type { Release, Retaining } from '../guard/retained.ts';
import type { RetainingCatalog } from './retention/retaining-catalog.ts';
import type { ReadCatalog } from './tagged-catalog.ts';
import type { Views } from './views.ts';
import { createFallbacks } from './report/istio-fallbacks.ts';
import { RefusedEndpoints } from './write/refused-endpoints.ts';
import { createTagsPace } from './write/tags-pace.ts';
import { Disputes } from './write/disputes.ts';
import { createWriter, NameTaken } from './write/writer.ts';

/** Each key writes its objects one after the other; this many keys at a time keep the API server comfortable. */
const CONCURRENCY = 8;

export interface ToKubernetesOptions {
  readonly owner: Owner;
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly catalog: ReadCatalog;
  /** What the catalog shows although Consul does not, from now on. */
  readonly retention: Pick<RetainingCatalog, 'begin' | 'retained' | 'retaining' | 'release'>;
  /** The settings may select other Consul services than before. */
  readonly selectAgain: () => void;
  readonly hosts: HostCache;
  readonly api: ObjectApi;
  /** Whether we have a right in Kubernetes now. */
  readonly may: MayAccess;
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly distrust: Pick<Distrust, 'loss' | 'subscribe'>;
  /** How far Consul is now. */
  readonly consulMark: () => ConsulMark;
  /** Holds back what is tried again after a failure. */
  readonly brake: RetryBrake;
  readonly log: Log;
  /** One record for each change that the API server took. */
  readonly changes: ChangeLog;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

export interface ToKubernetesStatus extends ControllerStatus {
  /** Mirrored Services of ours. */
  readonly services: number;
  readonly overLimit: number;
  /** Services of others that take instances of a Consul service in. */
  readonly imports: number;
  readonly rejected: number;
  /** Services, and slices with endpoints, that would go and stay because `toKubernetes.removals` is never. */
  readonly kept: number;
  /** Instances that stay although Consul does not show them, because much was lost at once. */
  readonly retained: number;
  /** The version in which they are written, or why there are none. */
  readonly workloadEntries: string;
  /** How many Consul services should have WorkloadEntries and do not. */
  readonly withoutWorkloadEntries: number;
  /** Why nothing is written into a namespace, for each that is closed. */
  readonly closedNamespaces: Readonly<Record<string, string>>;
}

export interface ToKubernetes {
  status(): ToKubernetesStatus;
  /** What metrics say of it now. */
  state(): DirectionState;
  /** What is retained because much was lost at once, and the hash under which it can be released. */
  retaining(): Retaining;
  /** Lets go what was shown under that hash by `retaining` within the last hour, and is retained still. */
  release(hash: string): Release;
  /** What is rejected, a message for each object and reason. */
  troubles(): Iterable<string>;
  /** Everything that needs somebody, an object each. */
  attention(): Iterable<Attention>;
  /** Consul services that are mirrored or taken in. */
  readonly mirrored: Listing<ListedService>;
  /** Consul services, all that are known. */
  readonly services: Listing<ListedService>;
  /** The API server is back: what failed for want of it is tried again. */
  lookAgain(): void;
  /** Writes were off, or the settings are others: looks at everything as after a restart. */
  startAnew(): void;
  stop(limitMs: number): Promise<void>;
}

/**
 * Consul to Kubernetes: every change of a Consul service, and of an object of ours, puts the service's name in the
 * queue; reconciling a name compares what should be with what is and writes the difference. Services of others that take
 * instances in go through the same queue, each under a key of its own.
 */
export function runToKubernetes(options: ToKubernetesOptions): ToKubernetes {
  const { owner, config, views, catalog, retention, hosts, api, resources, brake, log, metrics } = options;
  // Before anything is planned.
  retention.begin(views);
  const refused = new RefusedEndpoints(systemClock);
  const planner = new Planner(owner, config, views, catalog, hosts, refused);
  const report = createReporter(options);
  const disputes = new Disputes({ tell: report.disputed });
  const writer = createWriter(
    ...([owner, api, resources, views, options.consulMark, { refused, disputes }] as const),
    createChangeReport({ changes: options.changes, catalog, nameOf: (object) => planner.nameOf(object) }),
  );
  const grace = createGrace(
    () => config.removalGrace,
    () => performance.now(),
  );
  const kept = new Tally();
  const fallbacks = createFallbacks(options);
  reportLosses(options);
  const queue = {
    enqueue: (key: string) => controller.enqueue(key),
    enqueueAfter: (key: string, ms: number) => controller.enqueueAfter(key, ms),
    written: (key: string) => controller.written(key),
  };
  const denied = createDeniedAccess({ may: options.may, clock: systemClock, signal: options.signal });
  denied.subscribe(() => controller.lookAgain());
  const orDenied = (error: unknown): never => {
    const lacked = lackedAccess(error);
    if (lacked) denied.deny(lacked);
    throw error;
  };
  const controller = new Controller({
    direction: 'to-kubernetes',
    concurrency: CONCURRENCY,
    isLackOfRights: (error) => lackedAccess(error) !== undefined,
    isRace: (error) => error instanceof NameTaken || hasStatus(error, 409) || isGone(error),
    brake,
    log,
    metrics,
    reconcile: async (key) => {
      await (imports.hasKey(key) ? imports.reconcile(key) : loop.reconcile(key)).catch(orDenied);
      const wait = refused.waitMs((of) => key === of.consulService || imports.isKeyOf(key, of));
      if (wait !== undefined) queue.enqueueAfter(key, wait);
    },
  });
  const { sources } = planner;
  const imports = runImports({
    ...{ sources, catalog, hosts, writer, report, metrics },
    ...{ enqueue: queue.enqueue, onWritten: queue.written },
  });
  const loop = new ToKubernetesLoop({
    ...{ planner, catalog, hosts, writer, report, fallbacks, imports, queue },
    ...{ grace, onKept: (name, count) => kept.note(name, count), keepsAll: () => config.removals === 'never' },
    tagsPace: createTagsPace(() => performance.now()),
    ...{ workloadEntries: views.workloadEntries, namespaces: views.namespaces },
  });
  const enqueue = (names: Iterable<string>) => {
    for (const name of names) queue.enqueue(name);
  };
  const tellNamespaces = () => report.namespaces();

  tellNamespaces();
  views.namespaces.subscribe(tellNamespaces);
  hosts.subscribe(queue.enqueue);
  // What could be written is another thing than before: the plan of now says so.
  refused.subscribe((of) => {
    queue.enqueue(of.consulService);
    imports.look(objectKey({ namespace: of.namespace, name: of.serviceName }));
  });
  subscribeToConsul(catalog, planner, enqueue);
  subscribe(views, planner, enqueue);
  subscribeToAddresses(views, () => {
    enqueue(planner.keys());
    imports.lookAtAll();
  });
  controller.enqueueInBackground(planner.keys());
  return {
    status: () => ({
      services: planner.owned,
      overLimit: planner.waiting,
      imports: imports.count,
      rejected: report.count,
      retained: retention.retained,
      kept: kept.total,
      workloadEntries: views.workloadEntries.found?.resource.apiVersion ?? views.workloadEntries.absence,
      withoutWorkloadEntries: fallbacks.count,
      closedNamespaces: Object.fromEntries(views.namespaces.closed),
      ...controller.status,
    }),
    state: () => ({
      ...{ owned: planner.owned, rejected: report.count, held: 0, retained: retention.retained, kept: kept.total },
      overLimit: planner.waiting,
      ...controller.state,
    }),
    retaining: () => retention.retaining(),
    release: (hash) => retention.release(hash),
    troubles: () => report.messages(),
    *attention() {
      const direction = 'to-kubernetes';
      for (const [key, why] of controller.failing()) yield { direction, kind: 'failing', object: objectOf(key), why };
      for (const [key, why] of report.rejected()) yield { direction, kind: 'rejected', object: objectOf(key), why };
    },
    mirrored: listServices({ planner, imports }, false),
    services: listServices({ planner, imports }, true),
    lookAgain: () => controller.lookAgain(),
    startAnew: () => {
      report.forget();
      tellNamespaces();
      grace.startAnew();
      options.selectAgain();
      retention.begin(views);
      controller.lookAgain();
      controller.enqueueInBackground(planner.keys());
      imports.lookAtAll();
    },
    async stop(limitMs) {
      await controller.drain(limitMs);
      disputes.end();
    },
  };
}

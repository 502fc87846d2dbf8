import type { EventRecorder } from '../../kubernetes/events.ts';
import { objectKey, workloadOf, type KubernetesObject, type Service } from '../../kubernetes/objects.ts';
import type { Resource, Resources } from '../../kubernetes/resources.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { quote, type Rejection } from '../registration/rejection.ts';
import type { Views } from '../views.ts';

export interface ReporterOptions {
  readonly views: Pick<Views, 'pods'>;
  readonly events: Pick<EventRecorder, 'report'>;
  readonly resources: Resources;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** A pod has room for thousands of mistakes, and each Event of it is one that nobody else gets. */
const MOST_TOLD = 5;
/** What was told of more workloads than these is told again. */
const MOST_WARNED = 10_000;

export type Reporter = ReturnType<typeof createReporter>;

/** Tells the person who can fix it: an Event on the object, a metric, and the log, once for each new reason. */
export function createReporter({ views, events, resources, log, metrics }: ReporterOptions) {
  const current = new Map<string, string>();
  const warned = new Set<string>();
  const tell = (resource: Resource<KubernetesObject>, object: KubernetesObject, all: readonly Rejection[]) => {
    const rejections = firstOf(all);
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
    /** Objects to what is wrong with them. */
    rejected: current as ReadonlyMap<string, string>,
    rejections: (podKey: string, rejections: readonly Rejection[]) => {
      const pod = views.pods.get(podKey);
      if (pod) tell(resources.pods, pod, rejections);
      else current.delete(`${resources.pods.kind} ${podKey}`);
    },
    /** Told once for each workload: its pods say the same, and nobody has to hurry. */
    warnings: (podKey: string, warnings: readonly string[]) => {
      const pod = views.pods.get(podKey);
      if (!pod) return;
      for (const why of warnings.slice(0, MOST_TOLD)) {
        const identity = `${pod.namespace}/${workloadOf(pod) || pod.name} ${why}`;
        if (warned.has(identity)) continue;
        if (warned.size >= MOST_WARNED) warned.clear();
        warned.add(identity);
        log.warn('without effect', { direction: 'to-consul', kind: resources.pods.kind, object: podKey, why });
        const note = `Without effect in Consul: ${why}`;
        const event = { type: 'Warning', reason: 'VariableIgnored', action: 'Register', note, isMinor: true } as const;
        events.report(resources.pods, pod, event);
      }
    },
    service: (service: Service, addresses: readonly string[]) => {
      tell(resources.services, service, addresses.length > 0 ? [noPod(addresses, 3)] : []);
    },
  };
}

/** @param most as many of the addresses are named */
export function noPod(addresses: readonly string[], most = addresses.length): Rejection {
  const shown = addresses.slice(0, most).map(quote).join(', ');
  const message = `${addresses.length} endpoint${addresses.length === 1 ? '' : 's'} of this Service belong to no pod and cannot be registered: ${shown}`;
  return { reason: 'NoPod', message };
}

function firstOf(all: readonly Rejection[]): readonly Rejection[] {
  const more = all.length - MOST_TOLD;
  const [last] = all.slice(MOST_TOLD - 1);
  if (more <= 0 || !last) return all;
  return [...all.slice(0, MOST_TOLD - 1), { ...last, message: `${last.message} (and ${more} more)` }];
}

import type { ToKubernetesConfig } from '../config/schema.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import { objectKey, type KubernetesObject } from '../kubernetes/objects.ts';
import type { Resources } from '../kubernetes/resources.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { NamePlan } from './planner.ts';
import { problemsOf, refusalOf, type Problem } from './problems.ts';
import type { Views } from './views.ts';

export interface ReporterOptions {
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Tells what could not be mirrored, once for each new reason: a log line, a metric, and an Event on an object that is there. */
export function createReporter({ views, events, resources, config, log, metrics }: ReporterOptions) {
  /** By the service and namespace, then by reason. */
  const known = new Map<string, ReadonlyMap<string, string>>();

  function tell(identity: string, problems: readonly Problem[], about: (problem: Problem) => About | undefined): void {
    const before = known.get(identity);
    for (const problem of problems) {
      const { reason, message } = problem;
      if (before?.get(reason) === message) continue;
      metrics.rejections.inc({ direction: 'to-kubernetes', reason });
      log.warn('rejected', { direction: 'to-kubernetes', object: identity, reason, why: message });
      const found = about(problem);
      if (found) events.report(...found, { type: 'Warning', reason, action: 'Mirror', note: message });
    }
    if (problems.length === 0) known.delete(identity);
    else known.set(identity, new Map(problems.map(({ reason, message }) => [reason, message])));
  }

  /** A Service that could not be made has no Events: they are its namespace's then. */
  function aboutIn(namespace: string, label: string): (problem: Problem) => About | undefined {
    return ({ about, reason }) => {
      const service = about ?? views.services.get(objectKey({ namespace, name: label }));
      if (service) return [resources.services, service];
      const isRefusal = reason === 'ClusterIPRangeFull' || reason === 'WriteRefused';
      return isRefusal ? [resources.namespaces, namespaceObject(namespace)] : undefined;
    };
  }

  return {
    rejected: () => known.size,
    /** @param failures why a namespace's plan could not be carried out */
    plan: (name: string, { namespaces, overLimit }: NamePlan, failures: ReadonlyMap<string, unknown>) => {
      const limit = `Consul service ${name} is not mirrored: ${config.maxServices} services are already (toKubernetes.maxServices)`;
      tell(name, overLimit ? [{ reason: 'TooManyServices', message: limit }] : [], () => undefined);
      for (const namespace of config.namespaces) {
        const plan = namespaces.find((candidate) => candidate.namespace === namespace);
        const problems = plan ? problemsOf(name, plan) : [];
        const refusal = refusalOf(name, failures.get(namespace));
        tell(
          `${name} in ${namespace}`,
          refusal ? [...problems, refusal] : problems,
          aboutIn(namespace, plan?.label ?? ''),
        );
      }
    },
  };
}

type About = readonly [resource: Parameters<EventRecorder['report']>[0], object: KubernetesObject];

/** As much of a Namespace as an Event needs; `kubectl get events` of that namespace shows it. */
function namespaceObject(name: string): KubernetesObject {
  const none: ReadonlyMap<string, string> = new Map();
  return {
    namespace: name,
    name,
    uid: '',
    resourceVersion: '',
    deletionTimestamp: '',
    labels: none,
    annotations: none,
  };
}

import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { EventRecorder } from '../../kubernetes/events.ts';
import { objectKey, type KubernetesObject, type Service } from '../../kubernetes/objects.ts';
import type { Resources } from '../../kubernetes/resources.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { NamePlan } from '../plan/planner.ts';
import { problemsOf, refusalOf } from './problems.ts';
import type { Views } from '../views.ts';
import { REASONS, type Problem } from '../problem.ts';

export interface ReporterOptions {
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** What is to be told of a Service that takes a Consul service in. */
interface ImportOutcome {
  /** Undefined when there is no such Service any more. */
  readonly service: Service | undefined;
  readonly problems: readonly Problem[];
}

export type Reporter = ReturnType<typeof createReporter>;

/** Tells what could not be mirrored, once for each new reason: a log line, a metric, and an Event on an object that is there. */
export function createReporter({ views, events, resources, config, log, metrics }: ReporterOptions) {
  const current = new Map<string, string>();

  function tell(object: string, reason: string, message: string, about: About | undefined): void {
    const identity = `${object} (${reason})`;
    if (message === '') return void current.delete(identity);
    if (current.get(identity) === message) return;
    current.set(identity, message);
    metrics.rejections.inc({ direction: 'to-kubernetes', reason });
    log.warn('rejected', { direction: 'to-kubernetes', object, reason, why: message });
    if (about) events.report(...about, { type: 'Warning', reason, action: 'Mirror', note: message });
  }

  /** A Service that could not be made has no Events: they are its namespace's then. */
  function aboutOf({ about, reason }: Problem, namespace: string, serviceName: string): About | undefined {
    const service = about ?? views.services.get(objectKey({ namespace, name: serviceName }));
    if (service) return [resources.services, service];
    const isRefusal = reason === 'ClusterIPRangeFull' || reason === 'WriteRefused';
    return isRefusal ? [resources.namespaces, namespaceObject(namespace)] : undefined;
  }

  return {
    /** What is wrong, by what it is wrong with. */
    rejected: current as ReadonlyMap<string, string>,
    imports: (key: string, { service, problems }: ImportOutcome) => {
      for (const reason of REASONS) {
        const messages = problems.filter((problem) => problem.reason === reason).map(({ message }) => message);
        const message = messages.length > 0 ? `Service ${key}: consular.dev/import: ${messages.join('; ')}` : '';
        tell(`Service ${key}`, reason, message, service && [resources.services, service]);
      }
    },
    /** @param failures why a namespace's plan could not be carried out */
    plan: (name: string, { namespaces, overLimit }: NamePlan, failures: ReadonlyMap<string, unknown>) => {
      const limit = `Consul service ${name} is not mirrored: ${config.maxServices} services are already (toKubernetes.maxServices)`;
      tell(name, 'TooManyServices', overLimit ? limit : '', undefined);
      for (const namespace of config.namespaces) {
        const plan = namespaces.find((candidate) => candidate.namespace === namespace);
        const refusal = refusalOf(name, failures.get(namespace));
        const problems = [...(plan ? problemsOf(name, plan) : []), ...(refusal ? [refusal] : [])];
        for (const reason of REASONS) {
          const problem = problems.find((candidate) => candidate.reason === reason);
          const about = problem && aboutOf(problem, namespace, plan?.serviceName ?? '');
          tell(`${name} in ${namespace}`, reason, problem?.message ?? '', about);
        }
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

import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { EventRecorder } from '../../kubernetes/events.ts';
import { objectKey, type KubernetesObject, type Service } from '../../kubernetes/objects.ts';
import type { Resources } from '../../kubernetes/resources.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { NamePlan } from '../plan/planner.ts';
import { namespaceClosed, type Problem, type Reason } from '../problem.ts';
import type { Views } from '../views.ts';
import { namespaceObject } from './namespace-object.ts';
import { refusalOf } from './write-refusal.ts';

export interface ReporterOptions {
  readonly config: Pick<ToKubernetesConfig, 'namespaces'>;
  readonly views: Pick<Views, 'services'>;
  readonly resources: Pick<Resources, 'services' | 'namespaces'>;
  readonly events: Pick<EventRecorder, 'report'>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'rejections' | 'closedNamespaces'>;
}

/** What is to be told of a Service that takes a Consul service in. */
interface ImportOutcome {
  /** Undefined when there is no such Service any more. */
  readonly service: Service | undefined;
  readonly problems: readonly Problem[];
}

export type Reporter = ReturnType<typeof createReporter>;

/** Where an Event goes; undefined for what has no object. */
type About = readonly [resource: Parameters<EventRecorder['report']>[0], object: KubernetesObject] | undefined;

/** Tells what is wrong, once for each new message: a log line, a metric, and an Event on an object that is there. */
export function createReporter({ views, events, resources, config, log, metrics }: ReporterOptions) {
  /** What is told and not mended yet: messages by their reason, by the object that they are about. */
  const told = new Map<string, ReadonlyMap<Reason, string>>();

  /** All that is wrong with an object now. Problems of one reason are told together. */
  function tell(object: string, problems: readonly Problem[], aboutOf: (problem: Problem) => About, prefix = ''): void {
    const before = told.get(object);
    if (problems.length === 0) return void told.delete(object);
    const now = new Map<Reason, string>();
    for (const reason of new Set(problems.map((problem) => problem.reason))) {
      const same = problems.filter((problem) => problem.reason === reason);
      const message = prefix + same.map((problem) => problem.message).join('; ');
      now.set(reason, message);
      const [first] = same;
      if (!first || before?.get(reason) === message) continue;
      metrics.rejections.inc({ direction: 'to-kubernetes', reason });
      log.warn('rejected', { direction: 'to-kubernetes', object, reason, why: message });
      const about = aboutOf(first);
      if (about) events.report(...about, { type: 'Warning', reason, action: 'Mirror', note: message });
    }
    told.set(object, now);
  }

  /** A Service that could not be made has no Events: they are its namespace's then. */
  function aboutOf({ about, reason }: Problem, namespace: string, serviceName: string): About {
    const service = about ?? views.services.get(objectKey({ namespace, name: serviceName }));
    if (service) return [resources.services, service];
    const isRefusal = reason === 'ClusterIPRangeFull' || reason === 'WriteRefused';
    return isRefusal ? [resources.namespaces, namespaceObject(namespace)] : undefined;
  }

  return {
    /** How many things are wrong. */
    get count(): number {
      return [...told.values()].reduce((sum, messages) => sum + messages.size, 0);
    },
    /** What is wrong, a message for each object and reason. */
    messages: (): string[] => [...told.values()].flatMap((messages) => [...messages.values()]),

    /** Once for each namespace that is closed, and not for each service that waits for it. */
    namespaces: (namespaces: Pick<Views['namespaces'], 'closed' | 'isThere'>): void => {
      metrics.closedNamespaces.set(namespaces.closed.size);
      for (const name of config.namespaces) {
        const why = namespaces.closed.get(name);
        const about: About = namespaces.isThere(name) ? [resources.namespaces, namespaceObject(name)] : undefined;
        tell(`Namespace ${name}`, why === undefined ? [] : [namespaceClosed(name, why)], () => about);
      }
    },
    imports: (key: string, { service, problems }: ImportOutcome): void => {
      const about: About = service && [resources.services, service];
      tell(`Service ${key}`, problems, () => about, `Service ${key}: consular.dev/import: `);
    },
    /** @param failures why the plans of namespaces could not be carried out, by namespace */
    plan: (name: string, { namespaces, problems }: NamePlan, failures: ReadonlyMap<string, unknown>): void => {
      tell(name, problems, () => undefined);
      for (const namespace of config.namespaces) {
        const plan = namespaces.find((candidate) => candidate.namespace === namespace);
        const refusal = refusalOf(name, failures.get(namespace));
        const problems = [...(plan?.problems ?? []), ...(refusal ? [refusal] : [])];
        tell(`${name} in ${namespace}`, problems, (problem) => aboutOf(problem, namespace, plan?.serviceName ?? ''));
      }
    },
  };
}

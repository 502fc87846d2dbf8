import type { ToKubernetesConfig } from '../../config/schema.ts';
import type { EventRecorder } from '../../kubernetes/events.ts';
import { objectKey, type KubernetesObject, type Service } from '../../kubernetes/objects.ts';
import type { Resources } from '../../kubernetes/resources.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { NamePlan } from '../plan/planner.ts';
import { namespaceClosed, type Problem, type Reason } from '../problem.ts';
import { importKeys, nameWanted, type ImportRequest } from '../requests/import-request.ts';
import type { Views } from '../views.ts';
import type { Subject } from '../write/disputes.ts';
import { namespaceObject } from './namespace-object.ts';
import { SharedRefusals } from './shared-refusals.ts';
import { refusalOf, sharedRefusalOf } from './write-refusal.ts';

export interface ReporterOptions {
  readonly config: Pick<ToKubernetesConfig, 'namespaces' | 'annotationPrefix'>;
  readonly views: Pick<Views, 'services' | 'namespaces'>;
  readonly resources: Pick<Resources, 'services' | 'namespaces'>;
  readonly events: Pick<EventRecorder, 'report'>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'rejections' | 'closedNamespaces'>;
}

/** What is to be told of a Service that takes a Consul service in. */
interface ImportOutcome {
  readonly namespace: string;
  /** Undefined when there is no such Service any more. */
  readonly service: Service | undefined;
  readonly request: ImportRequest | undefined;
  readonly problems: readonly Problem[];
}

/** What is found out by a write, also where there is no Service yet. */
const OF_A_WRITE: ReadonlySet<Reason> = new Set<Reason>(['WriteRefused', 'Contested', 'Altered']);

/** Keys of the queue, and what is told here under, name Consul services by their name alone. */
export function objectOf(key: string): string {
  return /^(Service|Namespace|written) /.test(key) ? key : `Consul service ${key}`;
}

export type Reporter = ReturnType<typeof createReporter>;

/** Where an Event goes; undefined for what has no object. */
type About = readonly [resource: Parameters<EventRecorder['report']>[0], object: KubernetesObject] | undefined;

/** Tells what is wrong, once for each new message: a log line, a metric, and an Event on an object that is there. */
export function createReporter({ views, events, resources, config, log, metrics }: ReporterOptions) {
  /** What is told and not mended yet: messages by their reason, by the object that they are about. */
  const told = new Map<string, ReadonlyMap<Reason, string>>();
  /** Of what is told of its namespace too, and counts there: messages by the Service whose owner is told. */
  const echoed = new Map<string, string>();
  const shared = new SharedRefusals();

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
    return OF_A_WRITE.has(reason) ? [resources.namespaces, namespaceObject(namespace)] : undefined;
  }

  /** Once for each namespace, and not for each service that waits for it or is refused the same. */
  function tellNamespace(namespace: string): void {
    const why = views.namespaces.closed.get(namespace);
    const problems = why === undefined ? shared.of(namespace) : [namespaceClosed(namespace, why)];
    tell(`Namespace ${namespace}`, problems, ({ reason }) => {
      // Where the API server says that it is not there, or going, an Event would be refused too.
      const isThere = views.namespaces.isThere(namespace) && !(reason === 'NamespaceClosed' && why === undefined);
      return isThere ? [resources.namespaces, namespaceObject(namespace)] : undefined;
    });
  }

  /** Where nothing is mirrored, imports alone need rights. */
  function sharedRefusal(namespace: string, failure: unknown): Problem | undefined {
    return sharedRefusalOf(namespace, failure, !config.namespaces.includes(namespace));
  }

  /** What of a failure is told of that key alone, and not of the whole namespace. */
  function ownRefusal(key: string, name: string, namespace: string, failure: unknown): Problem[] {
    const refusal = sharedRefusal(namespace, failure);
    shared.note(namespace, key, refusal);
    tellNamespace(namespace);
    const own = refusal ? undefined : refusalOf(name, failure);
    return own ? [own] : [];
  }

  /** What the whole namespace is refused, as the Event of one Service of somebody else's that takes something in. */
  function echo(key: string, refusal: Problem | undefined, about: About): void {
    if (!refusal) return void echoed.delete(key);
    const message = `Service ${key}: ${importKey}: ${refusal.message}`;
    if (echoed.get(key) === message) return;
    echoed.set(key, message);
    if (about) events.report(...about, { type: 'Warning', reason: refusal.reason, action: 'Mirror', note: message });
  }

  const importKey = importKeys(config.annotationPrefix).service;

  return {
    /** What is wrong is told again when it is found again: Events of before may not have been written. */
    forget: (): void => {
      told.clear();
      echoed.clear();
    },
    /** How many things are wrong. */
    get count(): number {
      return [...told.values()].reduce((sum, messages) => sum + messages.size, 0);
    },
    /** What is wrong, a message for each object and reason. */
    messages: (): string[] => [...told.values()].flatMap((messages) => [...messages.values()]),

    /** The same, each with what it is about: an object with its kind, or the name of a Consul service. */
    rejected: (): (readonly [key: string, why: string])[] =>
      [...told].flatMap(([key, messages]) => [...messages.values()].map((why) => [key, why] as const)),

    /** Which namespaces are closed. */
    namespaces: (): void => {
      metrics.closedNamespaces.set(views.namespaces.closed.size);
      for (const name of config.namespaces) tellNamespace(name);
    },
    /** @param failure why its slices could not be written */
    imports: (key: string, { namespace, service, problems, request }: ImportOutcome, failure?: unknown): void => {
      const about: About = service && [resources.services, service];
      const refused = ownRefusal(`Service ${key}`, nameWanted(request) ?? '', namespace, failure);
      tell(`Service ${key}`, [...problems, ...refused], () => about, `Service ${key}: ${importKey}: `);
      // Of what is refused to all alike its owner is told too: the Service is not ours.
      echo(key, sharedRefusal(namespace, failure), about);
    },
    /** An object that somebody else will have otherwise, or undefined when that is over. */
    disputed: ({ kind, namespace, name, serviceName }: Subject, problem: Problem | undefined): void => {
      tell(`written ${kind} ${namespace}/${name}`, problem ? [problem] : [], (found) =>
        aboutOf(found, namespace, serviceName),
      );
    },
    /** @param failures why the plans of namespaces could not be carried out, by namespace */
    plan: (name: string, { namespaces, problems }: NamePlan, failures: ReadonlyMap<string, unknown>): void => {
      tell(name, problems, () => undefined);
      for (const namespace of config.namespaces) {
        const plan = namespaces.find((candidate) => candidate.namespace === namespace);
        const refused = ownRefusal(name, name, namespace, failures.get(namespace));
        const problems = [...(plan?.problems ?? []), ...refused];
        tell(`${name} in ${namespace}`, problems, (problem) => aboutOf(problem, namespace, plan?.serviceName ?? ''));
      }
    },
  };
}

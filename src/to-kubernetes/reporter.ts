import type { ToKubernetesConfig } from '../config/schema.ts';
import type { EventRecorder } from '../kubernetes/events.ts';
import { objectKey } from '../kubernetes/objects.ts';
import type { Resources } from '../kubernetes/resources.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ImportPlan } from './imports/planner.ts';
import { PROBLEM_REASONS } from './imports/request.ts';
import type { NamespacePlan } from './namespace-plan.ts';
import type { NamePlan } from './planner.ts';
import type { Views } from './views.ts';

export interface ReporterOptions {
  readonly config: ToKubernetesConfig;
  readonly views: Views;
  readonly resources: Resources;
  readonly events: EventRecorder;
  readonly log: Log;
  readonly metrics: Metrics;
}

export type Reporter = ReturnType<typeof createReporter>;

/** Tells what could not be mirrored, once for each new reason: a log line, a metric, and an Event where there is an object. */
export function createReporter({ views, events, resources, config, log, metrics }: ReporterOptions) {
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
    imports: (key: string, { service, problems }: ImportPlan) => {
      for (const reason of PROBLEM_REASONS) {
        const messages = problems.filter((problem) => problem.reason === reason).map(({ message }) => message);
        const message = messages.length > 0 ? `Service ${key}: consular.dev/import: ${messages.join('; ')}` : '';
        tell(`Service ${key} (${reason})`, reason, message, service);
      }
    },
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

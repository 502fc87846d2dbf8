import type { EventRecorder } from '../../kubernetes/events.ts';
import { objectKey, workloadOf, type KubernetesObject, type Service } from '../../kubernetes/objects.ts';
import type { Resource, Resources } from '../../kubernetes/resources.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { quote, type Rejection, type ServiceProblem } from '../registration/rejection.ts';
import type { Views } from '../views.ts';
import { ServiceProblems } from './service-problems.ts';

export interface ReporterOptions {
  readonly views: Pick<Views, 'pods' | 'services'>;
  readonly events: Pick<EventRecorder, 'report'>;
  readonly resources: Resources;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface Told extends Rejection {
  /** Whether something stays in Consul for it that is not wanted as it is. */
  readonly isHeld?: boolean;
}

/** What is wrong with one object. */
export interface Alike {
  /** In words that others are told too, a sentence for each right that is missing. */
  readonly shared: readonly string[];
  /** Everything else; empty where there is nothing else. */
  readonly others: string;
}

/** Of an object, which may be gone. */
type Identity = Pick<KubernetesObject, 'namespace' | 'name' | 'uid'>;

/** A pod has room for thousands of mistakes, and each Event of it is one that nobody else gets. */
const MOST_TOLD = 5;
/** What was told of more workloads than these is told again. */
const MOST_WARNED = 10_000;

export type Reporter = ReturnType<typeof createReporter>;

/** Tells the person who can fix it: an Event on the object, a metric, and the log, once for each new reason. */
export function createReporter({ views, events, resources, log, metrics }: ReporterOptions) {
  const current = new Map<string, string>();
  /** Of those, what many objects are told in the same words: for want of a right. */
  const alike = new Map<string, Alike>();
  const warned = new Set<string>();
  /** Of Services, whatever their pods are. */
  const ofThemselves = new Map<string, readonly Told[]>();
  const ofPods = new ServiceProblems();
  const tell = (resource: Resource<KubernetesObject>, object: Identity, all: readonly Told[]) => {
    const rejections = firstOf(all);
    const identity = `${resource.kind} ${objectKey(object)}`;
    const messages = rejections.map(({ message }) => message).join('; ');
    if (messages === '') {
      alike.delete(identity);
      return void current.delete(identity);
    }
    if (current.get(identity) === messages) return;
    current.set(identity, messages);
    noteAlike(identity, all);
    for (const { reason, message, isHeld } of rejections) {
      metrics.rejections.inc({ direction: 'to-consul', reason });
      // Of a right that is missing, and may concern thousands of pods, the log tells once.
      log[isForWantOfRight({ reason }) ? 'debug' : 'warn']('rejected', {
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
        note: `${consequenceOf(reason, isHeld)}: ${message}`,
      });
    }
  };
  const noteAlike = (identity: string, all: readonly Told[]) => {
    const shared = all.filter(isForWantOfRight).map(({ message }) => message);
    const others = firstOf(all.filter((one) => !isForWantOfRight(one))).map(({ message }) => message);
    if (shared.length > 0) alike.set(identity, { shared, others: others.join('; ') });
    else alike.delete(identity);
  };
  const tellService = (key: string) => {
    const service = views.services.get(key);
    if (!service) {
      ofThemselves.delete(key);
      current.delete(`${resources.services.kind} ${key}`);
      alike.delete(`${resources.services.kind} ${key}`);
      return;
    }
    const own = ofThemselves.get(key) ?? [];
    const problems = ofPods.of(key);
    const others = problems
      .filter(
        ({ kind, rejection }) => kind !== 'overruled' && !own.some(({ message }) => message === rejection.message),
      )
      .map(({ rejection, isHeld }) => ({ ...rejection, isHeld }));
    tell(resources.services, service, [...own, ...others]);
    for (const { kind, rejection } of problems) if (kind === 'overruled') warnService(service, rejection);
  };
  const warnService = (service: Service, { reason, message: why }: Rejection) => {
    const key = objectKey(service);
    if (!isNews(`${service.uid} ${why}`)) return;
    log.warn('without effect', { direction: 'to-consul', kind: resources.services.kind, object: key, why });
    const note = `Without effect in Consul: ${why}`;
    events.report(resources.services, service, { type: 'Warning', reason, action: 'Register', note });
  };
  const isNews = (identity: string): boolean => {
    if (warned.has(identity)) return false;
    if (warned.size >= MOST_WARNED) warned.clear();
    warned.add(identity);
    return true;
  };
  return {
    /** What is wrong is told again when it is found again: Events of before may not have been written. */
    forget: () => {
      current.clear();
      alike.clear();
      warned.clear();
    },
    /** Objects to what is wrong with them. */
    rejected: current as ReadonlyMap<string, string>,
    /** Of the rejected, those that are told what others are told in the same words. */
    alike: alike as ReadonlyMap<string, Alike>,
    /**
     * @param isHeld whether an instance of the pod stays as it is for that
     * @param goneUid of a pod that is gone, and that something is rejected for all the same: what Consul does not let go
     */
    rejections: (podKey: string, rejections: readonly Rejection[], isHeld = false, goneUid = '') => {
      const pod = views.pods.get(podKey);
      const told = rejections
        .filter(({ reason }) => pod !== undefined || reason === 'ConsulRefused')
        .map((rejection) => ({ ...rejection, isHeld: isHeld && rejection.reason !== 'Duplicate' }));
      tell(resources.pods, pod ?? goneOf(podKey, goneUid), told);
    },
    /** Told once for each workload: its pods say the same, and nobody has to hurry. */
    warnings: (podKey: string, warnings: readonly string[]) => {
      const pod = views.pods.get(podKey);
      if (!pod) return;
      for (const why of warnings.slice(0, MOST_TOLD)) {
        const identity = `${pod.namespace}/${workloadOf(pod) || pod.name} ${why}`;
        if (!isNews(identity)) continue;
        log.warn('without effect', { direction: 'to-consul', kind: resources.pods.kind, object: podKey, why });
        const note = `Without effect in Consul: ${why}`;
        const event = { type: 'Warning', reason: 'VariableIgnored', action: 'Register', note, isMinor: true } as const;
        events.report(resources.pods, pod, event);
      }
    },
    /**
     * What a pod tells of the Services over it.
     * @param holders names of those for which an instance of the pod stays as it is
     */
    ofServices: (podKey: string, problems: readonly ServiceProblem[], holders: ReadonlySet<string> = new Set()) => {
      const told = problems.map((problem) => {
        return { ...problem, isHeld: holders.has(problem.service.slice(problem.service.indexOf('/') + 1)) };
      });
      for (const service of ofPods.note(podKey, told)) tellService(service);
    },
    /**
     * What is wrong with a Service, whatever its pods tell.
     */
    service: (service: Service, rejections: readonly Told[]) => {
      const key = objectKey(service);
      if (rejections.length > 0) ofThemselves.set(key, rejections);
      else ofThemselves.delete(key);
      tellService(key);
    },
  };
}

/** The same for all pods that need the right. */
function isForWantOfRight({ reason }: Pick<Rejection, 'reason'>): boolean {
  return reason === 'ConsulRefused' || reason === 'GateRefused';
}

function consequenceOf(reason: Rejection['reason'], isHeld: boolean | undefined): string {
  if (reason === 'GateRefused') return 'Not made Ready';
  return isHeld ? 'Left as it was in Consul' : 'Not registered in Consul as asked';
}

function goneOf(podKey: string, uid: string): Identity {
  const [namespace = '', name = ''] = podKey.split('/');
  return { namespace, name, uid };
}

/** @param most as many of the addresses are named */
export function noPod(addresses: readonly string[], most = addresses.length): Rejection {
  const shown = addresses.slice(0, most).map(quote).join(', ');
  const message = `${addresses.length} endpoint${addresses.length === 1 ? '' : 's'} of this Service belong to no pod and cannot be registered: ${shown}`;
  return { reason: 'NoPod', message };
}

function firstOf(all: readonly Told[]): readonly Told[] {
  const more = all.length - MOST_TOLD;
  const [last] = all.slice(MOST_TOLD - 1);
  if (more <= 0 || !last) return all;
  return [...all.slice(0, MOST_TOLD - 1), { ...last, message: `${last.message} (and ${more} more)` }];
}

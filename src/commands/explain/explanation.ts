import type { Pod, Service } from '../../kubernetes/objects.ts';
import { objectKey } from '../../kubernetes/objects.ts';
import { isOurAnnotation, ourSpelling } from '../../to-consul/requests/annotations.ts';
import type { OwnInstance } from '../../to-consul/observed/own-instance.ts';
import { differencesOf, type Difference } from '../../to-consul/observed/differences.ts';
import { identityOf } from '../../to-consul/registration/registration.ts';
import type { Registration } from '../../to-consul/registration/registration.ts';
import { isRegistratorVariable } from '../../to-consul/requests/registrator.ts';
import type { WrittenKind } from '../../to-kubernetes/plan/namespace-plan.ts';
import { splitTold, type Told } from '../told.ts';
import type { Rejection } from '../../to-consul/registration/rejection.ts';
import type { PodPlan } from '../../to-consul/plan/pod-plan.ts';
import { WHY_KEPT } from '../../to-consul/plan/kept.ts';
import { STAYS } from '../../to-consul/report/held.ts';

export type { Difference } from '../../to-consul/observed/differences.ts';

export const KINDS = ['pod', 'service', 'consul-service'] as const;
export type Kind = (typeof KINDS)[number];

/** What Consular knows of one object, what it makes of it, and why. Every list may be empty. */
export interface Explanation {
  readonly kind: Kind;
  readonly name: string;
  readonly cluster: string;
  /** False for a name of which only traces are left, in the other system. */
  readonly exists: boolean;
  readonly found: readonly Fact[];
  /** What somebody wrote that decides about it, and where. */
  readonly settings: readonly Setting[];
  readonly decision: Decision;
  /** What should be in Consul. */
  readonly desired: readonly ExplainedInstance[];
  /** What is in Consul. */
  readonly observed: readonly ExplainedInstance[];
  /** The pods that it is about; of a pod none. */
  readonly pods: readonly ExplainedPod[];
  /** Of a Service that takes a Consul service in: the instances of that. */
  readonly imported: readonly ExplainedImport[];
  readonly changes: readonly ExplainedChange[];
  readonly rejections: readonly ExplainedRejection[];
  /** What somebody should know, although it is no reason not to register or to mirror. */
  readonly warnings: readonly string[];
}

export interface Decision {
  /** The row of the decision table, in words. */
  readonly rule: string;
  readonly notes: readonly string[];
}

export interface Fact {
  readonly what: string;
  readonly value: string;
}

export interface Setting {
  /** The object that carries it. */
  readonly source: string;
  readonly key: string;
  readonly value: string;
  /** Why it does not count; may be empty. */
  readonly note: string;
}

export interface ExplainedInstance {
  readonly node: string;
  readonly id: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly status: string;
  readonly tags: readonly string[];
  /** Whose it is. */
  readonly origin: string;
  /** Of a Consul service that is explained: of which Services it is an endpoint and where, or why of none. */
  readonly endpoint?: string;
}

export interface ExplainedPod {
  readonly pod: string;
  readonly says: string;
}

export interface ExplainedImport {
  /** Its Consul node and ID. */
  readonly instance: string;
  readonly address: string;
  readonly port: number;
  /** `yes`, or `no` and why. */
  readonly imported: string;
}

export interface ExplainedChange {
  /**
   * unproven: a removal that waits for a direct read; held: stays although it is not wanted as it is; kept: would
   * go, and stays because removals are off; retained: stays because much was lost at once.
   */
  readonly action: 'create' | 'update' | 'remove' | 'unproven' | 'held' | 'kept' | 'retained';
  readonly kind: 'ServiceInstance' | 'Key' | WrittenKind;
  readonly object: string;
  readonly note: string;
  /** Of an update, and of nothing else. */
  readonly differences: readonly Difference[];
}

export interface ExplainedRejection {
  readonly object: string;
  readonly reason: string;
  readonly message: string;
}

/** Whether `run` would change something, or somebody has something to mend. */
export function isSettled({ changes, rejections }: Explanation): boolean {
  return changes.length + rejections.length === 0;
}

export function annotationSettings(kind: string, object: Pod | Service, annotationPrefix: string): Setting[] {
  const source = `${kind} ${objectKey(object)}`;
  return [...object.annotations]
    .filter(([key]) => isOurAnnotation(key, annotationPrefix))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => {
      const ours = ourSpelling(key, annotationPrefix);
      return { source, key, value, note: ours !== key && object.annotations.has(ours) ? `${ours} wins` : '' };
    });
}

/** registrator's variables; empty unless the configuration has them read. */
export function variableSettings(pod: Pod, note: string): Setting[] {
  return pod.containers.flatMap((container) =>
    container.env
      .filter(({ name }) => isRegistratorVariable(name))
      .map(({ name, value, fieldPath }) => ({
        source: `Pod ${objectKey(pod)}, container ${container.name}`,
        key: name,
        value: fieldPath === undefined ? value : `(from ${fieldPath || 'elsewhere'})`,
        note,
      })),
  );
}

export function explainedRegistration(registration: Registration, origin: string): ExplainedInstance {
  const { node, id, service, address, port, check, tags } = registration;
  return { node: node.name, id, service, address, port, status: check.status, tags, origin };
}

export function explainedObserved({ registration, checkIndex, podKey }: OwnInstance): ExplainedInstance {
  const instance = explainedRegistration(registration, `ours, for Pod ${podKey}`);
  return checkIndex > 0 ? instance : { ...instance, status: 'without its check' };
}

export function rejectionsOf(object: string, rejections: readonly Rejection[]): ExplainedRejection[] {
  return rejections.map(({ reason, message }) => ({ object, reason, message }));
}

/**
 * What is told in the direction to Kubernetes.
 * @param isOfSeveral true when a warning has to say its object, as others say the same of other objects
 */
export function explainedTold(
  told: readonly Told[],
  isOfSeveral = false,
): Pick<Explanation, 'rejections' | 'warnings'> {
  const { rejections, warnings } = splitTold(told);
  return {
    rejections: rejections.map(({ object, reason, message }) => ({ object, reason, message })),
    warnings: warnings.map(({ object, message }) => (isOfSeveral ? `${object}: ${message}` : message)),
  };
}

const AFTER_A_READ = 'after a direct read that does not find what it was registered for';
const SPOILT_NODE = 'its Consul node is not as it was written';

export function podChanges({
  changes,
  unproven,
  held,
  kept,
  retained,
  whyGone,
}: Pick<PodPlan, 'changes' | 'unproven' | 'held' | 'kept' | 'retained' | 'whyGone'>) {
  const change = (
    action: ExplainedChange['action'],
    registration: Registration,
    note = '',
    differences: readonly Difference[] = [],
  ): ExplainedChange => ({ action, kind: 'ServiceInstance', object: identityOf(registration), note, differences });
  return [
    ...changes.create.map((wish) =>
      change('create', wish, `${wish.service} ${wish.address}:${wish.port} ${wish.check.status}`),
    ),
    ...changes.update.map(({ desired, observed }) => {
      const differences = differencesOf(desired, observed);
      return change('update', desired, differences.length === 0 ? SPOILT_NODE : '', differences);
    }),
    ...changes.remove.map((instance) => change('remove', instance.registration, whyGone.get(instance))),
    ...unproven.map(({ instance }) =>
      change('unproven', instance.registration, `${AFTER_A_READ}, as ${whyGone.get(instance) ?? 'it is not wanted'}`),
    ),
    ...held.map(({ registration }) => change('held', registration, STAYS)),
    ...kept.map(({ registration }) => change('kept', registration, WHY_KEPT)),
    ...retained.map(({ registration, why }) => change('retained', registration, why)),
  ];
}

/** One line for a pod among others. */
export function summaryOf(plan: PodPlan, observed: number): string {
  const { changes, unproven, held, kept, retained, rejections, rule } = plan;
  const counts = [
    [observed, 'in Consul'],
    [changes.create.length, 'to create'],
    [changes.update.length, 'to update'],
    [changes.remove.length, 'to remove'],
    [unproven.length, 'to remove after a direct read'],
    [held.length, 'held'],
    [kept.length, 'kept'],
    [retained.length, 'retained'],
  ] as const;
  const said = counts.filter(([count], i) => i === 0 || count > 0).map(([count, what]) => `${count} ${what}`);
  const why = [...new Set(retained.map(({ why }) => `; retained, as ${why}`))].join('');
  const problems = rejections.map(({ reason, message }) => `; ${reason}: ${message}`).join('');
  return `${said.join(', ')}: ${rule}${why}${problems}`;
}

import { objectKey, type Pod, type Service } from '../kubernetes/objects.ts';
import type { PodCondition } from '../kubernetes/write.ts';
import { isEmpty } from '../reconcile/changes.ts';
import type { PodPlan } from './planner.ts';

/**
 * A readiness gate (KEP-580) that a pod may list: it becomes Ready when it is in Consul, so that a rolling update never
 * runs ahead of Consul. Such a pod cannot be Ready before it is registered, so it counts as ready when everything but
 * this gate is: its containers, and the other gates.
 */
export const GATE = 'consular.dev/registered';

export interface Readiness {
  readonly isReady: boolean;
  /** Why, in one line, for the output of the check. */
  readonly output: string;
}

/** @param isGateOn without it the gate is another's business, and Ready is what Kubernetes says. */
export function readinessOf(pod: Pod, isGateOn: boolean): Readiness {
  const { ready } = pod;
  if (isGateOn && pod.readinessGates.includes(GATE)) {
    const waitsFor = ['ContainersReady', ...pod.readinessGates].filter(
      (type) => type !== GATE && pod.conditions.get(type) !== 'True',
    );
    return waitsFor.length === 0
      ? { isReady: true, output: `Everything but the readiness gate ${GATE} is ready` }
      : { isReady: false, output: line(`Pod is not Ready: waiting for ${waitsFor.join(', ')}`) };
  }
  const since = ready?.lastTransitionTime ? ` since ${ready.lastTransitionTime}` : '';
  if (ready?.status === 'True') return { isReady: true, output: `Pod is Ready${since}` };
  const why = [ready?.reason, ready?.message].filter(Boolean).join(': ') || 'no Ready condition yet';
  return { isReady: false, output: line(`Pod is not Ready${since}: ${why}`) };
}

function line(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 1024);
}

/**
 * What the gate's condition should say now, given the plan after the pod's changes were written; undefined when there is
 * nothing new to say. Once True it is left alone: a pod that was in Consul is never made unready by Consular.
 *
 * | pod                                                           | condition              |
 * |---------------------------------------------------------------|------------------------|
 * | being deleted                                                 |                        |
 * | something about it is rejected                                | False, with the reason |
 * | not ready otherwise, or not all is written yet                |                        |
 * | a Service that asks selects it, and no slice has it yet       | False, and which       |
 * | nobody asks for a registration                                | True, NothingToDo      |
 * | all is in Consul, by us or by somebody's duplicate            | True, Registered       |
 */
export function gateCondition(pod: Pod, plan: GatePlan): Omit<PodCondition, 'lastTransitionTime'> | undefined {
  if (!isShut(pod) || pod.deletionTimestamp !== '') return undefined;
  const [rejection] = plan.rejections.filter(({ reason }) => reason !== 'Duplicate');
  if (rejection) return { type: GATE, status: 'False', reason: rejection.reason, message: rejection.message };
  if (!readinessOf(pod, true).isReady || plan.unread.length > 0 || !isEmpty(plan.changes)) return undefined;
  const [awaited] = plan.awaited;
  if (awaited) {
    const message = `Service ${objectKey(awaited)} asks for the pod, and has it in no EndpointSlice with the port yet`;
    return { type: GATE, status: 'False', reason: 'NoEndpointSlice', message };
  }
  return plan.isAsked
    ? { type: GATE, status: 'True', reason: 'Registered', message: 'Registered in Consul' }
    : { type: GATE, status: 'True', reason: 'NothingToDo', message: 'Nobody asks for a registration in Consul' };
}

type GatePlan = Pick<PodPlan, 'changes' | 'rejections' | 'unread' | 'awaited' | 'isAsked'>;

/** Whether the gate of a pod is still to be opened. */
export function isShut(pod: Pod): boolean {
  return pod.readinessGates.includes(GATE) && pod.conditions.get(GATE) !== 'True';
}

/** Whether Kubernetes will put the pod into the slices of a Service. */
export function selectsPod({ namespace, type, selector }: Service, pod: Pod): boolean {
  if (namespace !== pod.namespace || type === 'ExternalName' || selector.size === 0) return false;
  return [...selector].every(([key, value]) => pod.labels.get(key) === value);
}

import { escapeControls } from '../../json.ts';
import { describeAccess, lackedAccess, type Access } from '../../kubernetes/access.ts';
import type { DeniedAccess } from '../../kubernetes/denied-access.ts';
import type { Log } from '../../observability/log.ts';
import type { Rejection } from '../registration/rejection.ts';
import type { Resources } from '../../kubernetes/resources.ts';
import type { ObjectApi, PodCondition } from '../../kubernetes/object-api.ts';
import type { PodPlan } from '../plan/pod-plan.ts';
import type { Views } from '../views.ts';
import { objectKey, type Pod } from '../../kubernetes/objects.ts';
import { isEmpty } from '../../reconcile/changes.ts';
import { isShut, readinessOf } from '../desired/readiness.ts';

export interface GatekeeperOptions {
  /** Type of the condition. */
  readonly gate: string;
  readonly views: Pick<Views, 'pods'>;
  readonly api: Pick<ObjectApi, 'setCondition'>;
  readonly resources: Pick<Resources, 'pods'>;
  /** Rights for want of which the condition of a pod was not written. */
  readonly denied: Pick<DeniedAccess, 'deny' | 'isDenied' | 'subscribe'>;
  /** The pods have something else to be told, or their conditions may be written now. */
  readonly onRights: (podKeys: Iterable<string>) => void;
  readonly log: Log;
  /** What time it is, for the condition. @default the clock of the machine */
  readonly now?: () => Date;
}

/**
 * Writes the condition of the readiness gate when it has something new to say. Where the right to that is missing, each pod
 * whose gate is shut is rejected for it, and nothing is sent until the right may be there.
 */
export class Gatekeeper {
  readonly #options: GatekeeperOptions;
  /** What was written of a pod, by uid, until it is True: saying it again would be an event for everybody who watches. */
  readonly #said = new Map<string, string>();

  /** Pods whose conditions were not written for want of the right. */
  readonly #waiting = new Set<string>();

  constructor(options: GatekeeperOptions) {
    this.#options = options;
    options.denied.subscribe(({ namespace }) => {
      const freed = [...this.#waiting].filter((key) => key.startsWith(`${namespace}/`));
      for (const key of freed) this.#waiting.delete(key);
      options.onRights(freed);
    });
  }

  /** The plan, with the rejection that the gate of the pod cannot be opened for want of the right to that. */
  withRefusal(podKey: string, plan: PodPlan): PodPlan {
    const { gate, views, denied } = this.#options;
    const pod = views.pods.get(podKey);
    if (!pod || !isShut(pod, gate) || pod.deletionTimestamp !== '' || !denied.isDenied(gateAccess(pod.namespace)))
      return plan;
    return { ...plan, rejections: [...plan.rejections, gateRefused(pod.namespace, gate)] };
  }

  /** @param plan after the pod's changes were written @throws KubernetesError */
  async settle(podKey: string, plan: PodPlan): Promise<void> {
    const { gate, views, api, resources, now = () => new Date() } = this.#options;
    const pod = views.pods.get(podKey);
    if (pod && this.#options.denied.isDenied(gateAccess(pod.namespace))) return void this.#waiting.add(podKey);
    const condition = pod && gateCondition(pod, plan, gate);
    if (!pod || !condition) return;
    const words = JSON.stringify(condition);
    if (this.#said.get(pod.uid) === words) return;
    const isTransition = pod.conditions.get(condition.type) !== condition.status;
    const lastTransitionTime = isTransition ? { lastTransitionTime: `${now().toISOString().slice(0, 19)}Z` } : {};
    try {
      await api.setCondition(resources.pods, pod, { ...condition, ...lastTransitionTime });
    } catch (error) {
      const lacked = lackedAccess(error);
      if (!lacked) throw error;
      return this.#refuse(podKey, pod.namespace, lacked);
    }
    if (condition.status === 'True') this.#said.delete(pod.uid);
    else this.#said.set(pod.uid, words);
  }

  forget(uid: string): void {
    this.#said.delete(uid);
  }

  #refuse(podKey: string, namespace: string, lacked: Access): void {
    const { denied, gate, log, onRights } = this.#options;
    if (!denied.isDenied(lacked))
      log.warn('readiness gates cannot be opened', { namespace, why: gateRefused(namespace, gate).message });
    denied.deny(lacked);
    this.#waiting.add(podKey);
    onRights([podKey]);
  }
}

/** What opening the gate of a pod needs. */
export function gateAccess(namespace: string): Access {
  return { verb: 'patch', group: '', resource: 'pods', subresource: 'status', namespace };
}

/** In words that are the same for all pods of the namespace: what is missing, and what mends it. */
export function gateRefused(namespace: string, gate: string): Rejection {
  const message =
    `readiness gate ${gate} cannot be opened: there is no right to ${describeAccess(gateAccess(namespace))}: ` +
    'apply deploy/kubernetes/readiness-gate';
  return { reason: 'GateRefused', message };
}

/**
 * What the gate's condition should say now, given the plan after the pod's changes were written; undefined when there is
 * nothing new to say. Once True it is left alone: a pod that was in Consul is never made unready by Consular.
 *
 * | pod                                                           | condition              |
 * |---------------------------------------------------------------|------------------------|
 * | being deleted                                                 |                        |
 * | something about it, or a Service over it, is rejected         | False, with the reason |
 * | not ready otherwise, or not all is written yet                |                        |
 * | a Service that asks selects it, and no slice has it yet       | False, and which       |
 * | nobody asks for a registration                                | True, NothingToDo      |
 * | all is in Consul, by us or by somebody's duplicate            | True, Registered       |
 */
export function gateCondition(
  pod: Pod,
  plan: GatePlan,
  gate: string,
): Omit<PodCondition, 'lastTransitionTime'> | undefined {
  if (!isShut(pod, gate) || pod.deletionTimestamp !== '') return undefined;
  const ofServices = plan.ofServices.filter(({ kind }) => kind === 'wrong').map(({ rejection }) => rejection);
  const [rejection] = [...plan.rejections, ...ofServices].filter(
    ({ reason, ifItLasts }) => reason !== 'Duplicate' && !ifItLasts,
  );
  if (rejection)
    return { type: gate, status: 'False', reason: rejection.reason, message: escapeControls(rejection.message) };
  if (!readinessOf(pod, gate).isReady || plan.unread.length > 0 || !isEmpty(plan.changes)) return undefined;
  const [awaited] = plan.awaited;
  if (awaited) {
    const message = `Service ${objectKey(awaited)} asks for the pod, and has it in no EndpointSlice with the port yet`;
    return { type: gate, status: 'False', reason: 'NoEndpointSlice', message };
  }
  return plan.isAsked
    ? { type: gate, status: 'True', reason: 'Registered', message: 'Registered in Consul' }
    : { type: gate, status: 'True', reason: 'NothingToDo', message: 'Nobody asks for a registration in Consul' };
}

type GatePlan = Pick<PodPlan, 'changes' | 'rejections' | 'ofServices' | 'unread' | 'awaited' | 'isAsked'>;

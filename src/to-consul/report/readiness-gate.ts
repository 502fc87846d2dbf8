import { escapeControls } from '../../json.ts';
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
  /** What time it is, for the condition. @default the clock of the machine */
  readonly now?: () => Date;
}

/** Writes the condition of the readiness gate when it has something new to say. */
export class Gatekeeper {
  readonly #options: GatekeeperOptions;
  /** What was written of a pod, by uid, until it is True: saying it again would be an event for everybody who watches. */
  readonly #said = new Map<string, string>();

  constructor(options: GatekeeperOptions) {
    this.#options = options;
  }

  /** @param plan after the pod's changes were written @throws KubernetesError */
  async settle(podKey: string, plan: PodPlan): Promise<void> {
    const { gate, views, api, resources, now = () => new Date() } = this.#options;
    const pod = views.pods.get(podKey);
    const condition = pod && gateCondition(pod, plan, gate);
    if (!pod || !condition) return;
    const words = JSON.stringify(condition);
    if (this.#said.get(pod.uid) === words) return;
    const isTransition = pod.conditions.get(condition.type) !== condition.status;
    await api.setCondition(resources.pods, pod, {
      ...condition,
      ...(isTransition ? { lastTransitionTime: `${now().toISOString().slice(0, 19)}Z` } : {}),
    });
    if (condition.status === 'True') this.#said.delete(pod.uid);
    else this.#said.set(pod.uid, words);
  }

  forget(uid: string): void {
    this.#said.delete(uid);
  }
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

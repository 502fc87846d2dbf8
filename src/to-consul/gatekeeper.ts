import type { Resources } from '../kubernetes/resources.ts';
import type { ObjectApi } from '../kubernetes/write.ts';
import type { PodPlan, Views } from './planner.ts';
import { gateCondition } from './readiness-gate.ts';

export interface GatekeeperOptions {
  readonly views: Views;
  readonly api: ObjectApi;
  readonly resources: Resources;
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
    const { views, api, resources } = this.#options;
    const pod = views.pods.get(podKey);
    const condition = pod && gateCondition(pod, plan);
    if (!pod || !condition) return;
    const words = JSON.stringify(condition);
    if (this.#said.get(pod.uid) === words) return;
    const isTransition = pod.conditions.get(condition.type) !== condition.status;
    await api.setCondition(resources.pods, pod, {
      ...condition,
      ...(isTransition ? { lastTransitionTime: `${new Date().toISOString().slice(0, 19)}Z` } : {}),
    });
    if (condition.status === 'True') this.#said.delete(pod.uid);
    else this.#said.set(pod.uid, words);
  }

  forget(uid: string): void {
    this.#said.delete(uid);
  }
}

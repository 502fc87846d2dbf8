import { hostname } from 'node:os';
import { findOwnPod } from '../../kubernetes/connection.ts';
import type { EventRecorder, EventReport } from '../../kubernetes/events.ts';
import { DEPLOYMENT, findDeployment } from '../../kubernetes/own-deployment.ts';
import type { Clients, Context } from '../../world/context.ts';

/** The pod that this process runs in. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** Warnings on the Deployment that this process belongs to. Where there is none, the log and the other places say it. */
export class DeploymentEvents {
  readonly #context: Context;
  readonly #kubernetes: Clients['kubernetes'];
  readonly #pod: PodName | undefined;
  #deployment: ReturnType<typeof findDeployment> | undefined;

  constructor(context: Context, { kubernetes }: Pick<Clients, 'kubernetes'>, pod = ownPod(context)) {
    this.#context = context;
    this.#kubernetes = kubernetes;
    this.#pod = pod;
  }

  async warn(
    events: Pick<EventRecorder, 'report'>,
    event: Pick<EventReport, 'reason' | 'action' | 'note'>,
  ): Promise<void> {
    if (!this.#pod) return;
    const { namespace, name } = this.#pod;
    try {
      const deployment = await (this.#deployment ??= findDeployment(this.#kubernetes, namespace, name));
      events.report(DEPLOYMENT, deployment, { type: 'Warning', ...event });
    } catch (error) {
      this.#deployment = undefined;
      this.#context.log.warn('an Event is not told on the Deployment, which was not found', {
        reason: event.reason,
        error,
      });
    }
  }
}

function ownPod({ config }: Pick<Context, 'config'>): PodName | undefined {
  const namespace = findOwnPod(config.kubernetes)?.namespace;
  return namespace ? { namespace, name: hostname() } : undefined;
}

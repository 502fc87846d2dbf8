import type { ToKubernetesConfig } from '../../config/schema.ts';
import { explainLoss, type Distrust, type Loss } from '../../consul/distrust.ts';
import type { EventRecorder } from '../../kubernetes/events.ts';
import type { Resources } from '../../kubernetes/resources.ts';
import { namespaceObject } from './namespace-object.ts';

export interface LossReportOptions {
  readonly config: Pick<ToKubernetesConfig, 'namespaces'>;
  readonly distrust: Pick<Distrust, 'loss' | 'subscribe'>;
  readonly events: Pick<EventRecorder, 'report'>;
  readonly resources: Pick<Resources, 'namespaces'>;
}

/** Tells in each namespace with mirrored Services why endpoints of instances stay there that Consul does not have. */
export function reportLosses({ config, distrust, events, resources }: LossReportOptions): void {
  const report = (loss: Loss) => {
    for (const namespace of config.namespaces)
      events.report(resources.namespaces, namespaceObject(namespace), {
        type: 'Warning',
        reason: 'ConsulWentBack',
        action: 'Mirror',
        note: `${explainLoss(loss)}. What Consul has counts at once.`,
      });
  };
  if (distrust.loss) report(distrust.loss);
  distrust.subscribe(report);
}

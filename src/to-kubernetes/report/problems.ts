import { KubernetesError } from '../../kubernetes/errors.ts';
import type { NamespacePlan } from '../plan/namespace-plan.ts';
import type { Problem } from '../problem.ts';

/** What is wrong with one service in one namespace, as far as it can be seen before anything is written. */
export function problemsOf(name: string, { conflict, refused, warnings }: NamespacePlan): Problem[] {
  const shown = refused.slice(0, 3).map(({ instance, reason }) => `${instance}: ${reason}`);
  const count = `${refused.length} instance${refused.length === 1 ? '' : 's'}`;
  return [
    ...(conflict
      ? [
          {
            reason: 'NameConflict' as const,
            message: `Consul service ${name} cannot be mirrored: a Service with the name ${conflict.name} exists here and is not Consular's`,
            about: conflict,
          },
        ]
      : []),
    ...(refused.length > 0
      ? [
          {
            reason: 'InstanceRefused' as const,
            message: `${count} of Consul service ${name} cannot be an endpoint: ${shown.join('; ')}`,
          },
        ]
      : []),
    ...warnings,
  ];
}

/** Answers that say that the object itself cannot be written, whenever it is tried: a quota, a webhook, a rule. */
const REFUSALS = [400, 403, 413, 422];

/** What the API server says no to, and trying again alone does not mend; undefined for what passes by itself. */
export function refusalOf(name: string, error: unknown): Problem | undefined {
  if (!(error instanceof KubernetesError)) return undefined;
  if (error.purpose.kind === 'Service' && error.message.includes('range is full')) {
    const message = `Consul service ${name} cannot be mirrored: the cluster has no ClusterIP left for it`;
    return { reason: 'ClusterIPRangeFull', message };
  }
  if (!REFUSALS.includes(error.status)) return undefined;
  return {
    reason: 'WriteRefused',
    message: `Consul service ${name} is not mirrored as it should be: ${error.message}`,
  };
}

import { isRefusal, KubernetesError } from '../../kubernetes/errors.ts';
import { problem, type Problem } from '../problem.ts';

/** What the API server says no to, and trying again alone does not mend; undefined for what passes by itself. */
export function refusalOf(name: string, error: unknown): Problem | undefined {
  if (!(error instanceof KubernetesError)) return undefined;
  if (error.purpose.kind === 'Service' && error.message.includes('range is full'))
    return problem(
      'ClusterIPRangeFull',
      `Consul service ${name} cannot be mirrored: the cluster has no ClusterIP left for it`,
    );
  if (!isRefusal(error)) return undefined;
  return problem('WriteRefused', `Consul service ${name} is not mirrored as it should be: ${error.message}`);
}

/** True for a refusal that may be one of the whole namespace: it is gone or going, or we have no rights there any more. */
export function isSignOfClosing(error: unknown): boolean {
  if (!(error instanceof KubernetesError)) return false;
  return error.status === 403 || (error.status === 404 && error.purpose.verb === 'create');
}

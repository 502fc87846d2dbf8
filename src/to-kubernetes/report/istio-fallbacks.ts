import { KubernetesError } from '../../kubernetes/errors.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { NamePlan } from '../plan/planner.ts';

/** Tells of the services that should have WorkloadEntries and cannot: once for each reason, not for each service. */
export function createFallbacks({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }) {
  const names = new Set<string>();
  let told = '';
  return {
    note(name: string, { namespaces }: NamePlan): void {
      const reason = namespaces.find(({ fallback }) => fallback !== '')?.fallback ?? '';
      if (reason === '') names.delete(name);
      else names.add(name);
      metrics.istioFallbacks.set(names.size);
      if (reason !== '' && reason !== told)
        log.warn('mirroring without WorkloadEntries, will look again', { why: reason, first: name });
      if (reason !== '') told = reason;
      else if (names.size === 0) told = '';
    },
    get count(): number {
      return names.size;
    },
  };
}

/** True for a refusal that says that the kind is gone, or that we may not write it any more. */
export function isSignOfAbsence(error: unknown): boolean {
  return (
    error instanceof KubernetesError &&
    error.purpose.kind === 'WorkloadEntry' &&
    // 405: its definition is being deleted.
    (error.status === 403 || error.status === 404 || error.status === 405)
  );
}

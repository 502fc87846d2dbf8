import type { NamespacePlan } from '../to-kubernetes/plan/namespace-plan.ts';
import type { NamePlan } from '../to-kubernetes/plan/planner.ts';
import type { Problem } from '../to-kubernetes/problem.ts';

/** A problem as a command tells it: with the object that it is about, in words. */
export interface Told extends Pick<Problem, 'reason' | 'message' | 'isWarning'> {
  readonly object: string;
}

/** What somebody has to mend, and what somebody should know. */
export function splitTold(told: readonly Told[]): Record<'rejections' | 'warnings', readonly Told[]> {
  const shown = (warnings: boolean) => told.filter(({ isWarning }) => isWarning === warnings);
  return { rejections: shown(false), warnings: shown(true) };
}

/** What is wrong with a Consul service in one namespace. An Event names a few of the refused instances; a command all. */
export function toldIn({ namespace, serviceName, problems, refused }: NamespacePlan): Told[] {
  return problems.flatMap((problem) =>
    problem.reason === 'InstanceRefused'
      ? refused.map(({ instance, reason }) => ({ ...problem, object: `Consul instance ${instance}`, message: reason }))
      : [{ ...problem, object: `Service ${namespace}/${serviceName}` }],
  );
}

/** What is wrong with it in every namespace. */
export function toldOf(name: string, { problems }: Pick<NamePlan, 'problems'>): Told[] {
  return problems.map((problem) => ({ ...problem, object: `Consul service ${name}` }));
}

/** What is wrong with a Service that takes a Consul service in. */
export function toldOfImport(key: string, { problems }: { readonly problems: readonly Problem[] }): Told[] {
  return problems.map((problem) => ({ ...problem, object: `Service ${key}` }));
}

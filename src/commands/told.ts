import type { Rejection, ServiceProblem } from '../to-consul/registration/rejection.ts';
import type { NamespacePlan } from '../to-kubernetes/plan/namespace-plan.ts';
import type { NamePlan } from '../to-kubernetes/plan/planner.ts';
import type { Problem } from '../to-kubernetes/problem.ts';

/** A problem as a command tells it: with the object that it is about, in words. */
export interface Told extends Pick<Problem, 'message' | 'isWarning'> {
  readonly reason: Problem['reason'] | Rejection['reason'];
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

/** What Services ask for and do not get, each once, as the first of their pods tells it. */
export function toldOfServices(problems: readonly ServiceProblem[]): Told[] {
  const first = new Map<string, ServiceProblem>();
  for (const problem of problems) {
    const identity = `${problem.service} ${problem.about}`;
    if (!first.has(identity)) first.set(identity, problem);
  }
  return [...first.values()].map(({ service, kind, rejection: { reason, message } }) => ({
    ...{ object: `Service ${service}`, reason, isWarning: kind !== 'wrong' },
    message: kind === 'late' ? `${message} (yet)` : message,
  }));
}

import type { Rejection, ServiceProblem } from '../to-consul/registration/rejection.ts';
import type { NamespacePlan } from '../to-kubernetes/plan/namespace-plan.ts';
import type { NamePlan } from '../to-kubernetes/plan/planner.ts';
import type { RepeatedEndpoint } from '../to-kubernetes/desired/mirrored-service.ts';
import type { Problem } from '../to-kubernetes/problem.ts';

/** A problem, or what is good to know and no problem, as a command tells it: with the object that it is about, in words. */
export interface Told extends Pick<Problem, 'message' | 'isWarning'> {
  readonly reason: Problem['reason'] | Rejection['reason'] | 'RepeatedAddress';
  readonly object: string;
}

/** What somebody has to mend, and what somebody should know. */
export function splitTold(told: readonly Told[]): Record<'rejections' | 'warnings', readonly Told[]> {
  const shown = (warnings: boolean) => told.filter(({ isWarning }) => isWarning === warnings);
  return { rejections: shown(false), warnings: shown(true) };
}

/** What is wrong with a Consul service in one namespace. An Event names a few of the refused instances; a command all. */
export function toldIn({ namespace, serviceName, problems, refused, repeated }: NamespacePlan): Told[] {
  const object = `Service ${namespace}/${serviceName}`;
  return [
    ...problems.flatMap((problem) =>
      problem.reason === 'InstanceRefused'
        ? refused.map(({ instance, reason }) => ({
            ...{ ...problem, object: `Consul instance ${instance}`, message: reason },
          }))
        : [{ ...problem, object }],
    ),
    ...toldOfRepeated(object, repeated),
  ];
}

const MOST_NODES = 5;

/** Right for a virtual IP or an external database that every agent registers, and a mistake where each machine has that address. */
function toldOfRepeated(object: string, repeated: readonly RepeatedEndpoint[]): Told[] {
  return repeated.map(({ address, port, nodes }) => {
    const more = nodes.length > MOST_NODES ? ` and ${nodes.length - MOST_NODES} more` : '';
    const message =
      `Consul nodes ${nodes.slice(0, MOST_NODES).join(', ')}${more} have an instance at ${address}:${port}, which is one endpoint: ` +
      'right for a virtual IP, and not for an address that each machine has for itself';
    return { reason: 'RepeatedAddress', object, message, isWarning: true };
  });
}

/** What is wrong with it in every namespace. */
export function toldOf(name: string, { problems }: Pick<NamePlan, 'problems'>): Told[] {
  return problems.map((problem) => ({ ...problem, object: `Consul service ${name}` }));
}

/** What is wrong with a Service that takes a Consul service in. */
export function toldOfImport(
  key: string,
  { problems, repeated }: { readonly problems: readonly Problem[]; readonly repeated: readonly RepeatedEndpoint[] },
): Told[] {
  const object = `Service ${key}`;
  return [...problems.map((problem) => ({ ...problem, object })), ...toldOfRepeated(object, repeated)];
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

/** @param why it is not known what Consul refuses for want of rights; undefined where it is known */
export function toldOfRights(why: string | undefined): Told[] {
  if (why === undefined) return [];
  const message = `it is not known what the token may write: ${why}`;
  return [{ reason: 'ConsulRefused', object: 'Consul', message, isWarning: true }];
}

import type { ServiceAccount } from '../../kubernetes/access.ts';
import type { Clients } from '../../world/context.ts';
import type { World } from '../../world/world.ts';
import { toldOfGates } from '../gate-rights.ts';
import { toldOfQuotas } from '../namespace-quotas.ts';
import { namespacesOf } from '../plan.ts';
import { asksForInstances } from '../../to-kubernetes/requests/import-request.ts';
import { toldOfNamespaces } from '../namespace-rights.ts';
import { describeWritesOff, writesOffBy } from '../writes-off.ts';
import { explainConsulService } from './consul-service.ts';
import { explainPod } from './pod.ts';
import { explainService } from './service.ts';
import { explainedTold, type Explanation, type Kind } from './explanation.ts';
import { readOnce, type OnceContext } from '../../world/read-once.ts';

export interface Subject {
  readonly kind: Kind;
  /** `namespace/name` of a pod or a Service, the name of a Consul service. */
  readonly name: string;
  /** The daemon's account, whose rights may be others than the caller's. */
  readonly account: ServiceAccount;
}

/**
 * Reads both systems once and says what is known of one object, what `run` makes of it, and why. It writes nothing.
 * @throws Error when a system cannot be read, or neither knows such an object
 */
export function explain(context: OnceContext, timeoutMs: number, subject: Subject): Promise<Explanation> {
  return readOnce(context, timeoutMs, async (world, clients) => {
    const { kind, name } = subject;
    const explanation = await explainOne(context, world, clients, subject);
    if (!explanation)
      throw new Error(`explain ${kind} ${name}: expected it in Kubernetes or in Consul, found it in neither`);
    const off = describeWritesOff(await writesOffBy(context.config, clients.kubernetes, subject.account));
    return { ...explanation, warnings: [...off, ...explanation.warnings] };
  });
}

async function explainOne(
  { config }: OnceContext,
  world: World,
  clients: Clients,
  { kind, name, account }: Subject,
): Promise<Explanation | undefined> {
  const { owner, toConsul, toKubernetes } = world;
  if (kind === 'consul-service') {
    const told = toldOfNamespaces(clients, world, config.toKubernetes, account, config.toConsul.watch);
    const explanation = await explainConsulService(config, world, clients.consul, name, await told);
    if (!explanation) return undefined;
    const quotas = await toldOfQuotas(clients.kubernetes, namespacesOf(config.toKubernetes), explanation.changes);
    return { ...explanation, rejections: [...explanation.rejections, ...explainedTold(quotas).rejections] };
  }
  if (kind === 'service' && (toConsul ?? toKubernetes)) {
    const explanation = await explainService(config, world, name);
    const service = toKubernetes?.views.services.get(name);
    if (!explanation || !service || !asksForInstances(service, config.toKubernetes)) return explanation;
    const told = await toldOfNamespaces(clients, world, config.toKubernetes, account, config.toConsul.watch);
    const { rejections } = explainedTold(told.filter(({ object }) => object === `Namespace ${service.namespace}`));
    return { ...explanation, rejections: [...explanation.rejections, ...rejections] };
  }
  if (kind === 'pod' && toConsul) {
    const explanation = await explainPod(config, owner, toConsul, name);
    const pod = toConsul.views.pods.get(name);
    if (!explanation || !pod) return explanation;
    const gates = explainedTold(await toldOfGates(clients, config, [pod], account));
    return {
      ...explanation,
      rejections: [...explanation.rejections, ...gates.rejections],
      warnings: [...explanation.warnings, ...gates.warnings],
    };
  }
  throw new Error(`explain ${kind} ${name}: toConsul.enabled is false: nothing is registered, and no ${kind} is read`);
}

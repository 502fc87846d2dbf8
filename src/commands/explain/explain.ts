import type { Clients } from '../../world/context.ts';
import type { World } from '../../world/world.ts';
import { explainConsulService } from './consul-service.ts';
import { explainPod } from './pod.ts';
import { explainService } from './service.ts';
import type { Explanation, Kind } from './explanation.ts';
import { readOnce, type OnceContext } from '../../world/read-once.ts';

/**
 * Reads both systems once and says what is known of one object, what `run` makes of it, and why. It writes nothing.
 * @param name `namespace/name` of a pod or a Service, the name of a Consul service
 * @throws Error when a system cannot be read, or neither knows such an object
 */
export function explain(context: OnceContext, timeoutMs: number, kind: Kind, name: string): Promise<Explanation> {
  return readOnce(context, timeoutMs, async (world, clients) => {
    const explanation = await explainOne(context, world, clients, kind, name);
    if (!explanation)
      throw new Error(`explain ${kind} ${name}: expected it in Kubernetes or in Consul, found it in neither`);
    return explanation;
  });
}

function explainOne(
  { config }: OnceContext,
  world: World,
  clients: Clients,
  kind: Kind,
  name: string,
): Promise<Explanation | undefined> {
  const { owner, toConsul, toKubernetes } = world;
  if (kind === 'consul-service') return explainConsulService(config, world, clients.consul, name);
  if (kind === 'service' && (toConsul ?? toKubernetes)) return explainService(config, world, name);
  if (kind === 'pod' && toConsul) return explainPod(config, owner, toConsul, name);
  throw new Error(`explain ${kind} ${name}: toConsul.enabled is false: nothing is registered, and no ${kind} is read`);
}

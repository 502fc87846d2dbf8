import { locationOf } from '../../address.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { protocolOf } from '../../consul/protocol.ts';
import { mirror, whyNoTraffic } from '../../to-kubernetes/desired/mirrored-service.ts';
import type { ImportPlan } from '../../to-kubernetes/imports/planner.ts';
import type { PlanSources } from '../../to-kubernetes/plan/sources.ts';
import { instancesToMirror, isNamed, whyNotMirrored } from '../../to-kubernetes/requests/selection.ts';
import { consulServiceOf } from '../../to-kubernetes/requests/tag-services.ts';

/** Where instances of a Consul service can be endpoints. */
export interface EndpointTargets {
  /** Keys of the Services that it is mirrored as, or is to be. */
  readonly mirrors: readonly string[];
  /** Services of others that take it in, by their key. */
  readonly imports: ReadonlyMap<string, Pick<ImportPlan, 'endpoints'>>;
}

/** Says of an instance of which Services it is an endpoint and at which address, or why of none. */
export function describeEndpoints(
  { owner, config, addresses, management }: Pick<PlanSources, 'owner' | 'config' | 'addresses' | 'management'>,
  name: string,
  instances: readonly ServiceInstance[],
  { mirrors, imports }: EndpointTargets,
): (instance: ServiceInstance) => string {
  const network = addresses.network();
  const foreign = instancesToMirror(instances, owner.cluster, config);
  const outside = new Set(foreign);
  const { mirrored, refused } = mirror(name, foreign, config, undefined, network);
  const reasons = new Map(refused.map(({ instance, reason }) => [instance, reason]));
  const holders = new Map(
    mirrored.endpoints.map(({ address, port, protocol, instance }) => [`${address} ${port} ${protocol}`, instance]),
  );
  const isNamedHere = isNamed(config, consulServiceOf(config.tagServices, name.toLowerCase()));

  function whyNot(instance: ServiceInstance): string | undefined {
    if (!outside.has(instance)) return whyNotMirrored(instance, instances, owner.cluster, config);
    return whyNoTraffic(instance, config) ?? reasons.get(identityOf(instance));
  }

  return (instance) => {
    const why = whyNot(instance);
    if (why !== undefined) return `no endpoint: ${why}`;
    const judged = network.judge(instance.address || instance.nodeAddress);
    if (!('address' in judged))
      return `no endpoint: the address of its host name ${judged.host ?? ''} is not known yet`;
    const place = `${judged.address} ${instance.port} ${protocolOf(instance)}`;
    const isTaken = ({ endpoints }: Pick<ImportPlan, 'endpoints'>) =>
      endpoints.some(({ address, port }) => locationOf(address, port) === locationOf(judged.address, instance.port));
    const takers = [...imports].filter(([, plan]) => isTaken(plan)).map(([key]) => key);
    const mark = isNamedHere ? undefined : management.markOf(instance);
    if (mark !== undefined && takers.length === 0) return `no endpoint: it is Spring's management entry: ${mark}`;
    const services = [...new Set([...(mark === undefined ? mirrors : []), ...takers])].map((key) => `Service ${key}`);
    if (services.length === 0) return 'no endpoint: no Service has the Consul service';
    const holder = holders.get(place);
    const shared = holder && holder !== instance ? `, which it shares with ${identityOf(holder)}` : '';
    return `endpoint of ${services.join(', ')} at ${judged.address}:${instance.port}${shared}`;
  };
}

function identityOf({ node, id }: ServiceInstance): string {
  return `${node}/${id}`;
}

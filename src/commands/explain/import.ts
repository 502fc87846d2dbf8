import { canonicalAddress } from '../../address.ts';
import type { Config } from '../../config/schema.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { objectKey, type Service } from '../../kubernetes/objects.ts';
import type { ImportPlan } from '../../to-kubernetes/imports/planner.ts';
import { type ImportRequest } from '../../to-kubernetes/requests/import-request.ts';
import { whyNoTraffic } from '../../to-kubernetes/desired/mirrored-service.ts';
import { instancesToMirror, whyNotMirrored } from '../../to-kubernetes/requests/selection.ts';
import type { World } from '../../world/world.ts';
import { explainedTold, type ExplainedImport, type Explanation } from './explanation.ts';
import { describeImport } from '../plan.ts';
import { toldOfImport } from '../told.ts';
import { differencesInImport, withDifferences } from './differences.ts';
import { planImports, type PlannedServices } from '../../world/read-once.ts';

export type ImportPart = Pick<Explanation, 'imported' | 'changes' | 'rejections' | 'warnings'> & {
  /** Undefined for a Service that takes nothing in. */
  readonly rule: string | undefined;
};

const NOTHING: ImportPart = { rule: undefined, imported: [], changes: [], rejections: [], warnings: [] };

/**
 * The Service in its part of taking instances of a Consul service in.
 * @param planned all Consul services; undefined when that direction is off
 */
export async function explainImport(
  config: Config,
  { toKubernetes }: World,
  planned: PlannedServices | undefined,
  service: Service,
): Promise<ImportPart> {
  if (!toKubernetes || !planned) return NOTHING;
  const key = objectKey(service);
  const { plans } = await planImports(planned, toKubernetes);
  const plan = plans.get(key);
  if (!plan) return NOTHING;
  const { request } = plan;
  const { changes } = describeImport(key, plan);
  const from = request && request.verdict !== 'denied' ? request.from.name : undefined;
  const instances = from === undefined ? [] : (toKubernetes.catalog.instances(from) ?? []);
  return {
    rule: ruleOf(request),
    imported: explainInstances(config, plan, instances),
    changes: withDifferences(changes, differencesInImport(plan)),
    ...explainedTold(toldOfImport(key, plan)),
  };
}

function ruleOf(request: ImportRequest | undefined): string {
  switch (request?.verdict) {
    case undefined:
      return 'the Service takes nothing in any more';
    case 'denied':
      return 'the Service may not take anything in';
    case 'unclear':
      return `the Service takes Consul service ${request.from.spelling} in, with a mistake: what it has stays, and nothing is added`;
    case 'accepted': {
      const { name, port, protocol } = request.port;
      return `the Service takes Consul service ${request.from.spelling} in, behind its port ${port}/${protocol}${name === '' ? '' : ` ${name}`}`;
    }
  }
}

/** What becomes of each instance of the Consul service, in the order in which it is judged. */
function explainInstances(
  { cluster, toKubernetes }: Config,
  plan: ImportPlan,
  instances: readonly ServiceInstance[],
): ExplainedImport[] {
  const foreign = new Set(instancesToMirror(instances, cluster, toKubernetes));
  const refused = new Map(plan.refused.map(({ instance, reason }) => [instance, reason]));
  const skipped = new Map(plan.skipped.map(({ address, port, slice }) => [`${address} ${port}`, slice]));
  const misfits = new Map(plan.misfits.map(({ instance, protocol }) => [instance, protocol]));
  const taken = new Set(plan.endpoints.map(({ address, port }) => `${address} ${port}`));

  function whyNot(instance: ServiceInstance): string | undefined {
    const location = `${canonicalAddress(instance.address || instance.nodeAddress)} ${instance.port}`;
    const reason = refused.get(`${instance.node}/${instance.id}`);
    const slice = skipped.get(location);
    if (!foreign.has(instance)) return whyNotMirrored(instance, instances, cluster, toKubernetes);
    const unfit = whyNoTraffic(instance, toKubernetes);
    if (unfit !== undefined) return unfit;
    const protocol = misfits.get(instance);
    if (protocol !== undefined) return `it is ${protocol}, and the port of the Service is not`;
    if (slice !== undefined) return `EndpointSlice ${slice} has it`;
    if (reason !== undefined) return reason;
    if (plan.request?.verdict === 'unclear' && !taken.has(location))
      return 'nothing is added before the mistake is mended';
    return undefined;
  }

  return instances
    .map((instance) => {
      const why = whyNot(instance);
      return {
        instance: `${instance.node}/${instance.id}`,
        address: instance.address || instance.nodeAddress,
        port: instance.port,
        imported: why === undefined ? 'yes' : `no: ${why}`,
      };
    })
    .sort((a, b) => (a.instance < b.instance ? -1 : 1));
}

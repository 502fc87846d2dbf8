import { authorityOf } from '../../address.ts';
import { selects } from '../../config/pattern.ts';
import type { Config } from '../../config/schema.ts';
import { whyUnreadable } from '../../consul/readable-name.ts';
import type { ConsulReader } from '../../consul/client.ts';
import { readInstances } from '../../consul/instance-filter.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { objectKey, type Service } from '../../kubernetes/objects.ts';
import { cameFromKubernetes, MANAGED_BY, META, ownsInstance, type Owner } from '../../mark.ts';
import { desiredRegistrations } from '../../to-consul/desired/desired-registrations.ts';
import { podKeyOf } from '../../to-consul/registration/registration.ts';
import { isHealthy } from '../../to-kubernetes/desired/mirrored-service.ts';
import { isGoing } from '../../to-kubernetes/plan/going.ts';
import type { NamespacePlan } from '../../to-kubernetes/plan/namespace-plan.ts';
import { limitReached, unreadableService } from '../../to-kubernetes/plan/problems.ts';
import type { NamePlan } from '../../to-kubernetes/plan/planner.ts';
import { instancesToMirror, isNamed, isNeverMirrored } from '../../to-kubernetes/requests/selection.ts';
import { consulServiceOf, instancesWith, tagServiceNamed } from '../../to-kubernetes/requests/tag-services.ts';
import type { Problem } from '../../to-kubernetes/problem.ts';
import { explainError } from '../../observability/log.ts';
import type { World } from '../../world/world.ts';
import { plansFor } from './pod.ts';
import {
  explainedTold,
  summaryOf,
  type Decision,
  type ExplainedInstance,
  type ExplainedPod,
  type Explanation,
} from './explanation.ts';
import { describeNamespace } from '../plan.ts';
import { toldIn, toldOf, type Told } from '../told.ts';
import { describeEndpoints } from './endpoints.ts';
import { differencesIn, withDifferences } from './differences.ts';
import { planImports, planServices, type PlannedServices } from '../../world/read-once.ts';
import { modeOf } from '../../to-kubernetes/objects/service.ts';

/**
 * Undefined when neither system knows such a service, and no pod wants to be one.
 * @param namespaces what keeps the daemon from writing into mirror namespaces
 */
export async function explainConsulService(
  config: Config,
  world: World,
  consul: ConsulReader,
  given: string,
  namespaces: readonly Told[],
): Promise<Explanation | undefined> {
  const name = given.toLowerCase();
  const { owner, toKubernetes } = world;
  const tagged = tagServiceNamed(config.toKubernetes.tagServices, name);
  const { instances: all, unread } = await readOrTell(config, consul, tagged?.service ?? given);
  const instances = tagged ? instancesWith(all, tagged) : all;
  const services = toKubernetes && (await planServices(config, owner, toKubernetes));
  const plan = services?.plans.get(name);
  const copies = [...(toKubernetes?.views.services.values() ?? [])].filter((service) =>
    services?.planner.nameOf(service).includes(name),
  );
  const pods = await podsWanting(config, world, name);
  const imports = services && toKubernetes && (await planImports(services, toKubernetes));
  const importing = imports?.planner.importing(name) ?? [];
  const isKnown = instances.length + copies.length + pods.length + importing.length > 0;
  if (!isKnown && unread === undefined) return undefined;
  const isOfSeveral = config.toKubernetes.namespaces.length > 1;
  const parts = (plan?.namespaces ?? []).map((namespace) =>
    explainNamespace(name, plan?.mirrored ?? false, namespace, isOfSeveral),
  );
  const closed = [...(toKubernetes?.views.namespaces.closed.keys() ?? [])];
  const management = managementMarks(config, owner, name, instances, services?.planner);
  const isUnknown = plan?.problems.some(({ reason }) => reason === 'UnreadableService') ?? false;
  const { rule, notes } =
    unread === undefined && !isUnknown
      ? decisionOf(config, name, instances, management, plan, closed)
      : { rule: 'nothing is known of its instances, and what there is stays as it is', notes: [] };
  const mirrors = mirrorsOf(plan, copies, closed);
  const takers = new Map(
    [...(imports?.plans ?? [])].filter(([key]) => importing.some((taker) => objectKey(taker) === key)),
  );
  const endpoint =
    services && describeEndpoints(services.planner.sources, given, instances, { mirrors, imports: takers });
  const going = parts.flatMap(({ changes }, i) => (changes.length > 0 ? [plan?.namespaces[i]?.namespace] : []));
  const isTold = ({ object }: Told) => plan?.mirrored === true || going.some((name) => object === `Namespace ${name}`);
  const waiting = explainedTold(namespaces.filter(isTold));
  return {
    kind: 'consul-service',
    name: given,
    cluster: config.cluster,
    exists: instances.length > 0 || unread !== undefined,
    found: [
      { what: 'instances', value: unread === undefined ? String(instances.length) : 'cannot be read' },
      {
        what: 'outside Kubernetes',
        value: String(instancesToMirror(instances, owner.cluster, config.toKubernetes).length),
      },
      ...copies.map((service) => ({ what: 'mirrored as', value: describeCopy(service) })),
      ...importing.map((service) => ({ what: 'taken in by', value: `Service ${objectKey(service)}` })),
    ],
    settings: [],
    decision: { rule, notes: [...notes, ...(plan?.namespaces ?? []).flatMap(notesOn)] },
    desired: [],
    observed: instances.map((instance) => explainedInstance(owner, instance, endpoint)),
    pods,
    imported: [],
    changes: parts.flatMap(({ changes }) => changes),
    rejections: [
      ...waiting.rejections,
      ...explainedTold(toldOf(given, unread ? { problems: [unread] } : (plan ?? { problems: [] }))).rejections,
      ...parts.flatMap(({ rejections }) => rejections),
    ],
    warnings: [...waiting.warnings, ...parts.flatMap(({ warnings }) => warnings)],
  };
}

/** The instances that are left out because they are management entries, and by which mark. */
function managementMarks(
  { toKubernetes }: Config,
  { cluster }: Owner,
  name: string,
  instances: readonly ServiceInstance[],
  planner: PlannedServices['planner'] | undefined,
): string[] {
  if (isNamed(toKubernetes, consulServiceOf(toKubernetes.tagServices, name))) return [];
  return instancesToMirror(instances, cluster, toKubernetes).flatMap((instance) => {
    const mark = planner?.sources.management.markOf(instance);
    return mark === undefined ? [] : [`${instance.node}/${instance.id}: ${mark}`];
  });
}

/** Read by itself: what is never mirrored, or not selected, is not in the catalog. */
async function readOrTell(
  { toKubernetes }: Config,
  consul: ConsulReader,
  name: string,
): Promise<{ readonly instances: readonly ServiceInstance[]; readonly unread?: Problem }> {
  const why = whyUnreadable(name);
  if (why !== undefined) return { instances: [], unread: unreadableService(name, why) };
  try {
    return { instances: await readInstances(consul, name, toKubernetes.enabled ? toKubernetes.filter : '') };
  } catch (error) {
    return { instances: [], unread: unreadableService(name, explainError(error)) };
  }
}

function decisionOf(
  { cluster, toKubernetes }: Config,
  name: string,
  instances: readonly ServiceInstance[],
  management: readonly string[],
  plan: NamePlan | undefined,
  closed: readonly string[],
): Decision {
  const not = (why: string): Decision => ({ rule: `it is not mirrored: ${why}`, notes: [] });
  if (!toKubernetes.enabled) return not('toKubernetes.enabled is false');
  if (isNeverMirrored(name)) return not('the name is one of those that never are');
  const service = consulServiceOf(toKubernetes.tagServices, name);
  if (!selects(toKubernetes.services, service)) return not('toKubernetes.services does not select it');
  if (instances.length === 0 && !plan?.mirrored) return not('Consul has no instance of it');
  if (plan?.overLimit) return not(limitReached(toKubernetes.maxServices));
  const [mark, ...more] = management;
  const others = more.length === 0 ? '' : `, and ${more.length} more like that`;
  const named = `they would be if toKubernetes.services.include had its name, ${name}`;
  if (!plan?.mirrored && mark !== undefined)
    return not(`all that it has outside Kubernetes are Spring's management entries: ${mark}${others}; ${named}`);
  if (!plan?.mirrored)
    return not('no instance of it is one from outside Kubernetes that the settings ask for; why not is said of each');
  const conflicts = plan.namespaces.filter(({ conflict }) => conflict).map(({ namespace }) => namespace);
  const open = toKubernetes.namespaces.filter((namespace) => !closed.includes(namespace));
  const free = open.filter((namespace) => !conflicts.includes(namespace));
  const list = (namespaces: readonly string[]) => namespaces.map((namespace) => `namespace ${namespace}`).join(', ');
  if (open.length === 0) return not(`nothing can be written into ${list(closed)}`);
  if (free.length === 0) return not(`Services of others have its name in ${list(conflicts)}`);
  const healthy = instancesToMirror(instances, cluster, toKubernetes).some((instance) =>
    isHealthy(instance, toKubernetes),
  );
  return {
    rule: `it is mirrored into ${list(free)}`,
    notes: [
      ...(closed.length > 0 ? [`not into ${list(closed)}: nothing can be written there`] : []),
      ...(conflicts.length > 0 ? [`not into ${list(conflicts)}: a Service of somebody else has its name there`] : []),
      ...(mark === undefined ? [] : [`without Spring's management entries: ${mark}${others}; ${named}`]),
      ...(healthy ? [] : ['none of its instances outside Kubernetes is healthy enough: the Service has no endpoints']),
    ],
  };
}

function describeCopy(service: Service): string {
  const selecting = modeOf(service) === 'istio' ? ', which selects WorkloadEntries' : '';
  return `Service ${objectKey(service)}${selecting}${isGoing(service) ? `, ${describeGoing(service)}` : ''}`;
}

/** Somebody deleted a Service of ours, and a finalizer holds it. */
export function describeGoing({ deletionTimestamp }: Service): string {
  return `which is being deleted since ${deletionTimestamp} and is held by a finalizer: it is made anew when it is gone, if Consul has instances then`;
}

function notesOn({ namespace, serviceName, conflict, fallback, held, kept }: NamespacePlan): string[] {
  const places = held.map(({ address, port }) => authorityOf(address, port));
  return [
    ...(serviceName === '' || conflict ? [] : [`its name in namespace ${namespace} is ${serviceName}`]),
    ...(fallback === '' ? [] : [`it should have WorkloadEntries in namespace ${namespace}, and has none: ${fallback}`]),
    ...(held.length === 0
      ? []
      : [`Consul may have lost instances: these stay endpoints in namespace ${namespace}: ${places.join(', ')}`]),
    ...kept.map(({ kind, name, note }) => `${kind} ${namespace}/${name}: ${note}`),
  ];
}

export function explainNamespace(
  name: string,
  mirrored: boolean,
  namespace: NamespacePlan,
  isOfSeveral = false,
): Pick<Explanation, 'changes' | 'rejections' | 'warnings'> {
  const { changes } = describeNamespace(name, mirrored, namespace);
  return {
    changes: withDifferences(changes, differencesIn(namespace)),
    ...explainedTold(toldIn(namespace), isOfSeveral),
  };
}

/** The Services that it is mirrored as, or is to be: those in a closed namespace stand still. */
function mirrorsOf(plan: NamePlan | undefined, copies: readonly Service[], closed: readonly string[]): string[] {
  if (!plan?.mirrored || plan.overLimit) return [];
  const there = copies.filter(({ namespace }) => !closed.includes(namespace)).map(objectKey);
  const planned = plan.namespaces
    .filter(({ serviceName, conflict }) => serviceName !== '' && !conflict)
    .map(({ namespace, serviceName }) => objectKey({ namespace, name: serviceName }));
  return [...new Set([...there, ...planned])].sort();
}

function explainedInstance(
  owner: Owner,
  instance: ServiceInstance,
  endpointOf: ((instance: ServiceInstance) => string) | undefined,
): ExplainedInstance {
  const { node, id, service, address, nodeAddress, port, status, tags } = instance;
  return {
    ...{ node, id, service, address: address || nodeAddress, port, status, tags, origin: originOf(owner, instance) },
    ...(endpointOf && { endpoint: endpointOf(instance) }),
  };
}

function originOf(owner: Owner, instance: ServiceInstance): string {
  const { id, meta, kind } = instance;
  const podKey = podKeyOf(owner.cluster, id);
  if (podKey !== undefined && ownsInstance(owner, meta)) return `ours, for Pod ${podKey}`;
  if (meta.get(META.managedBy) === MANAGED_BY)
    return `of the Consular of cluster ${meta.get(META.cluster) ?? '(unknown)'}`;
  if (cameFromKubernetes(instance)) return 'out of Kubernetes, not by Consular';
  return kind === '' ? 'foreign' : `foreign, a ${kind}`;
}

/** Pods that want to be instances of it, those that wait for others to go among them, and those that are retained. */
async function podsWanting(config: Config, { owner, toConsul }: World, name: string): Promise<ExplainedPod[]> {
  if (!toConsul) return [];
  const { views, own } = toConsul;
  const plans = await plansFor(config, owner, toConsul, () => true);
  const said: ExplainedPod[] = [];
  for (const pod of views.pods.values()) {
    const { registrations, unready } = desiredRegistrations(owner, config.toConsul, plans.index.sourcesOf(pod));
    const isOf = ({ service }: { readonly service: string }) => service.toLowerCase() === name;
    const isWanted = [...registrations.values()].some(isOf);
    if (!isWanted && ![...unready.values()].some(isOf)) continue;
    const key = objectKey(pod);
    const plan = await plans.plan(key);
    if (isWanted || plan.retained.some(isOf)) said.push({ pod: key, says: summaryOf(plan, own.ofPod(key).size) });
  }
  return said.sort((a, b) => (a.pod < b.pod ? -1 : 1));
}

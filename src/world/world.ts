import type { Family } from '../address.ts';
import { readNode } from '../consul/catalog-reader.ts';
import type { ConsulClient } from '../consul/client.ts';
import { ServiceCatalog } from '../consul/service-catalog.ts';
import { readTransactionLimit } from '../consul/transaction-limit.ts';
import type { KubernetesClient } from '../kubernetes/client.ts';
import type { Endpoints, EndpointSlice, Pod, Service } from '../kubernetes/objects.ts';
import { OptionalKind } from '../kubernetes/optional-kind.ts';
import { Reflector } from '../kubernetes/reflector.ts';
import type { Resources } from '../kubernetes/resources.ts';
import { isServed } from '../kubernetes/discovery.ts';
import type { View } from '../kubernetes/view.ts';
import type { ObjectApi } from '../kubernetes/object-api.ts';
import { LABEL, MANAGED_BY, META, othersFilter, ownsObject, type Owner } from '../mark.ts';
import { assertNotRenamed, ClusterIdentityError, ClusterRenamedError } from '../to-consul/identity/cluster-identity.ts';
import { consulNodes } from '../to-consul/observed/consul-nodes.ts';
import { consulServices } from '../to-consul/observed/consul-services.ts';
import { ForeignInstances } from '../to-consul/observed/foreign-instances.ts';
import { OwnCatalog } from '../to-consul/observed/own-catalog.ts';
import { lossIn, ownNodeName } from '../to-consul/identity/entry.ts';
import type { Views as ToConsulViews } from '../to-consul/views.ts';
import { serviceFamilies } from '../to-kubernetes/addresses/addresses.ts';
import { HostCache, hostKey } from '../to-kubernetes/addresses/host-cache.ts';
import { createHostLookup } from '../to-kubernetes/addresses/host-lookup.ts';
import { isCandidate } from '../to-kubernetes/requests/selection.ts';
import { readHosts } from '../to-kubernetes/objects/hosts-annotation.ts';
import type { Views as ToKubernetesViews } from '../to-kubernetes/views.ts';
import type { Clients, Context } from './context.ts';
import type { Readings } from './readings.ts';
import { createNodeReader } from '../consul/node-reader.ts';

/** Both systems, completely read: what every command works on. A direction that is switched off is undefined. */
export interface World {
  readonly owner: Owner;
  readonly toConsul:
    | {
        readonly views: ToConsulViews;
        readonly own: OwnCatalog;
        readonly foreign: ForeignInstances;
        readonly transactionLimit: number;
      }
    | undefined;
  readonly toKubernetes:
    { readonly views: ToKubernetesViews; readonly catalog: ServiceCatalog; readonly hosts: HostCache } | undefined;
}

/**
 * Reads what the enabled directions need, completely, and follows it from then on. What does not answer is waited for;
 * the reason is in `readings` all the while.
 * @param prepare runs once it is known who we are, before our nodes in Consul are read
 * @throws ClusterIdentityError, ClusterRenamedError, which waiting would not mend
 */
export async function readWorld(
  context: Context,
  clients: Clients,
  readings: Readings,
  prepare: (owner: Owner) => Promise<void> = () => Promise.resolve(),
): Promise<World> {
  const { config } = context;
  const { api, kubernetes, resources } = clients;
  // All at once and before anything else: the API server needs most of the time that a start takes.
  let pods: Promise<View<Pod>> | undefined;
  const shared: Shared = {
    whole: Promise.all([
      readings.reflect(kubernetes, resources.services),
      readings.reflect(kubernetes, resources.endpointSlices),
    ]).then(([services, endpointSlices]) => ({ services, endpointSlices })),
    readPods: () => (pods ??= readings.reflect(kubernetes, resources.pods)),
  };
  const toConsulViews = config.toConsul.enabled
    ? Promise.all([shared.readPods(), readings.reflect(kubernetes, resources.nodes), shared.whole]).then(
        ([pods, nodes, shared]) => ({ pods, nodes, ...shared }),
      )
    : undefined;
  const owner: Owner = {
    cluster: config.cluster,
    clusterUid: await readings.untilRead('Kubernetes namespace kube-system', () => readClusterUid(api, resources)),
  };
  const prepared = readings
    .untilRead('name of this cluster in Consul', () => readNames(context, clients, owner), isOurMistake)
    .then(() => readings.untilRead('Consul nodes to take over', () => prepare(owner)));
  const [toConsul, toKubernetes] = await Promise.all([
    toConsulViews && prepared.then(() => readToConsul(context, clients, readings, owner, toConsulViews)),
    config.toKubernetes.enabled ? readToKubernetes(context, clients, readings, owner, shared) : undefined,
    prepared,
  ]);
  return { owner, toConsul, toKubernetes };
}

/** What both directions read. */
interface Shared {
  readonly whole: Promise<{ readonly services: View<Service>; readonly endpointSlices: View<EndpointSlice> }>;
  /** Not every configuration needs them, and they are many. */
  readonly readPods: () => Promise<View<Pod>>;
}

/** The identity of a Kubernetes cluster, for want of a better one: KEP-2149. */
async function readClusterUid(api: ObjectApi, resources: Resources): Promise<string> {
  const namespace = await api.get(resources.namespaces, '', 'kube-system');
  if (!namespace) throw new Error('get Namespace kube-system: expected it in every cluster, found none');
  return namespace.uid;
}

/**
 * What an earlier run under another name left has to be noticed before anything is written, whichever direction is on.
 * @throws ClusterRenamedError when there is any
 */
async function readNames({ config }: Context, { consul }: Clients, owner: Owner): Promise<void> {
  const nodes = await createNodeReader(consul).list(META.clusterUid, owner.clusterUid);
  assertNotRenamed(owner, config.besides, nodes);
}

/** Waiting would not mend it. */
function isOurMistake(error: unknown): boolean {
  return error instanceof ClusterIdentityError || error instanceof ClusterRenamedError;
}

async function readToConsul(
  context: Context,
  { consul }: Clients,
  readings: Readings,
  owner: Owner,
  reading: Promise<ToConsulViews>,
): Promise<World['toConsul']> {
  const [own, foreign, transactionLimit, views] = await Promise.all([
    readings.untilRead(
      'Consul nodes of this cluster',
      () => OwnCatalog.read(consulNodes(createNodeReader(consul), owner), owner),
      isOurMistake,
    ),
    readings.untilRead('Consul service names', () =>
      ForeignInstances.read({ ...context, source: consulServices({ ...context, client: consul }, owner), owner }),
    ),
    readings.untilRead('Consul version', () => readTransactionLimit(consul, context.log)),
    reading,
  ]);
  return { own, foreign, transactionLimit, views };
}

async function readToKubernetes(
  context: Context,
  { kubernetes, consul, resources, workloadEntries: kind }: Clients,
  readings: Readings,
  owner: Owner,
  shared: Shared,
): Promise<World['toKubernetes']> {
  const { toKubernetes } = context.config;
  const scope = { labelSelector: `${LABEL.managedBy}=${MANAGED_BY}` };
  // Followed even when they are switched off: what was written before has to be seen to be removed.
  const reading = toKubernetes.namespaces.map(async (namespace): Promise<[string, View<Endpoints>]> => {
    return [namespace, await readings.reflect(kubernetes, resources.endpoints, { namespace, ...scope })];
  });
  let pods: View<Pod> | undefined;
  // Followed even when nothing should have any, for the same reason.
  const workloadEntries = new OptionalKind({
    ...{ client: kubernetes, kind, namespaces: toKubernetes.namespaces, ...context },
    follow: (resource, namespace, signal) =>
      new Reflector({ client: kubernetes, resource, namespace, ...scope, ...context, signal }),
    pace: context.timings?.kindPace,
    prepare: async () => (pods = await shared.readPods()),
  });
  readings.add(`Kubernetes ${kind.plural}`, () => workloadEntries.failure);
  const lostAt = await readings.untilRead("Consular's own entry", () => readLoss(context, consul, owner, shared));
  const catalog = new ServiceCatalog({
    client: consul,
    lostAt,
    isCandidate: (name) => isCandidate(toKubernetes, name),
    filter: othersFilter(owner),
    sweepPace: context.timings?.sweepPace,
    ...context,
  });
  if (catalog.lostAt)
    context.log.warn('Consul has lost data: nothing is believed to be gone for 10 minutes from then on', { lostAt });
  readings.add('Consul services', () => catalog.failure);
  const serviceCIDRs = await readServiceCIDRs(kubernetes, resources, readings);
  await Promise.all([catalog.synced, workloadEntries.settled]);
  const endpoints = new Map(await Promise.all(reading));
  const views = { endpoints, serviceCIDRs, workloadEntries, pods: () => pods, ...(await shared.whole) };
  return { catalog, views, hosts: createHosts(context, owner, views, catalog) };
}

/** Host names of instances, with what Kubernetes still shows of them. */
function createHosts(
  { config, signal, timings }: Context,
  owner: Owner,
  views: ToKubernetesViews,
  catalog: ServiceCatalog,
): HostCache {
  const ask = createHostLookup(config.toKubernetes.dns, signal);
  const lookUp = (host: string) => ask(host, [...new Set<Family>([...serviceFamilies(views), 'IPv4', 'IPv6'])]);
  const isUsedBy = (host: string, service: string) =>
    catalog.instances(service)?.some(({ address, nodeAddress }) => hostKey(address || nodeAddress) === host) ?? true;
  const hosts = new HostCache({ lookUp, isUsedBy, limits: timings?.hostLimits }, signal);
  // In an ambient mesh there are no slices.
  const entries = [...(views.workloadEntries.found?.views.values() ?? [])].flatMap((view) => [...view.values()]);
  const noted = entries.map(({ labels, annotations, address }) => ({ labels, annotations, endpoints: [{ address }] }));
  for (const object of [...noted, ...views.endpointSlices.values()])
    if (ownsObject(owner, object.labels))
      for (const [address, host] of readHosts(object)) hosts.remember(host, address);
  return hosts;
}

async function readServiceCIDRs(kubernetes: KubernetesClient, { serviceCIDRs }: Resources, readings: Readings) {
  const served = await readings.untilRead('Kubernetes servicecidrs', () => isServed(kubernetes, serviceCIDRs));
  return served ? readings.reflect(kubernetes, serviceCIDRs) : undefined;
}

/**
 * An earlier run left Services in Kubernetes and an entry in Consul. A Consul without the entry was emptied or put back
 * while nobody watched, and its applications need time to register again. An entry that was written since says so.
 */
async function readLoss(
  { config }: Context,
  consul: ConsulClient,
  owner: Owner,
  { whole }: Shared,
): Promise<Date | undefined> {
  const { services } = await whole;
  const hasServices = [...services.values()].some(({ labels }) => ownsObject(owner, labels));
  if (!config.toConsul.enabled || !hasServices) return undefined;
  const contents = await readNode(consul, ownNodeName(owner));
  return contents ? lossIn(owner, contents) : new Date();
}

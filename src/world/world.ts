import { hostKey, type Family } from '../address.ts';
import { systemClock } from '../clock.ts';
import { ConfigError } from '../config/load.ts';
import { createCatalogLists, type CatalogLists } from '../consul/catalog-lists.ts';
import { ServiceCatalog } from '../consul/service-catalog.ts';
import { TokenRights } from '../consul/token-rights.ts';
import { readTransactionLimit } from '../consul/transaction-limit.ts';
import type { KubernetesClient } from '../kubernetes/client.ts';
import type { KubernetesObject, Pod } from '../kubernetes/objects.ts';
import { OptionalKind } from '../kubernetes/optional-kind.ts';
import { WritableNamespaces } from '../kubernetes/writable-namespaces.ts';
import { Reflector } from '../kubernetes/reflector.ts';
import type { Resources } from '../kubernetes/resources.ts';
import { isServed } from '../kubernetes/discovery.ts';
import type { Followed, View } from '../kubernetes/view.ts';
import type { WatchedNamespaces } from '../kubernetes/watched-namespaces.ts';
import { LABEL, MANAGED_BY, META, othersFilter, ownsObject, type Owner } from '../mark.ts';
import { assertNotRenamed, ClusterIdentityError, ClusterRenamedError } from '../to-consul/identity/cluster-identity.ts';
import { consulNodes } from '../to-consul/observed/consul-nodes.ts';
import { consulServices } from '../to-consul/observed/consul-services.ts';
import { ForeignInstances } from '../to-consul/observed/foreign-instances.ts';
import { OwnCatalog } from '../to-consul/observed/own-catalog.ts';
import type { Views as ToConsulViews } from '../to-consul/views.ts';
import { serviceFamilies } from '../to-kubernetes/addresses/addresses.ts';
import { HostCache } from '../to-kubernetes/addresses/host-cache.ts';
import { createHostLookup } from '../to-kubernetes/addresses/host-lookup.ts';
import { isCandidate } from '../to-kubernetes/requests/selection.ts';
import { RetainingCatalog } from '../to-kubernetes/retention/retaining-catalog.ts';
import { TaggedCatalog, type ReadCatalog } from '../to-kubernetes/tagged-catalog.ts';
import { highestIndex } from '../to-kubernetes/objects/index-annotation.ts';
import { readHosts } from '../to-kubernetes/objects/hosts-annotation.ts';
import type { Views as ToKubernetesViews } from '../to-kubernetes/views.ts';
import { assertFilter } from './assert-filter.ts';
import type { Clients, Context } from './context.ts';
import { mirrorRights } from './mirror-rights.ts';
import type { Readings } from './readings.ts';
import { readShared, type Shared } from './shared.ts';
import { createDistrust, readTimeLine, readTrust, type Before, type Trust } from './trust.ts';

/** Both systems, completely read: what every command works on. A direction that is switched off is undefined. */
export interface World {
  readonly owner: Owner;
  /** Why a namespace may not be read, for each that may not, where only some are read. */
  readonly closedNamespaces: () => ReadonlyMap<string, string>;
  readonly toConsul:
    | {
        readonly views: ToConsulViews;
        readonly own: OwnCatalog;
        readonly foreign: ForeignInstances;
        readonly transactionLimit: number;
        /** Of the token that this process has. */
        readonly tokenRights: Pick<TokenRights, 'learn' | 'isDenied'>;
      }
    | undefined;
  readonly toKubernetes:
    | {
        readonly views: ToKubernetesViews;
        readonly catalog: ReadCatalog;
        readonly retention: RetainingCatalog;
        /** Reads what the settings select now, and did not before. */
        readonly selectAgain: () => void;
        readonly hosts: HostCache;
      }
    | undefined;
}

/** The same, with what is known of how far Consul can be trusted. */
export interface TrustingWorld extends World {
  readonly trust: Trust;
  /** Not asked for before somebody subscribes. */
  readonly lists: CatalogLists;
}

/** What is known when a process may begin to lead. */
export interface Start extends Omit<Before, 'nonce'> {
  readonly owner: Owner;
}

/** What the leader before this process left. */
export type Inherited = Pick<Before, 'nonce'>;

/**
 * Reads what the enabled directions need, completely, and follows it from then on. What does not answer is waited for;
 * the reason is in `readings` all the while.
 * @param lead runs once it is known who we are; nothing is read of Consul that another process may still change before it
 *   resolves. Whoever only reads leads nothing
 * @throws ClusterIdentityError, ClusterRenamedError, ConfigError, which waiting would not mend
 */
export async function readWorld(
  context: Context,
  clients: Clients,
  readings: Readings,
  lead: (start: Start) => Promise<Inherited> = () => Promise.resolve({ nonce: undefined }),
): Promise<TrustingWorld> {
  const { config } = context;
  const { cluster } = clients;
  readings.add('Consul login', () => clients.consul.tokenFailure);
  // All at once and before anything else: the API server needs most of the time that a start takes.
  const shared = readShared(context, clients, readings);
  const toConsulViews = config.toConsul.enabled
    ? Promise.all([shared.readSelected(), shared.readNodes(), shared.whole]).then(([pods, nodes, shared]) => {
        return { pods, nodes, ...shared };
      })
    : undefined;
  const owner: Owner = {
    cluster: config.cluster,
    clusterUid: await readings.untilRead(`Kubernetes namespace ${config.kubernetes.identityNamespace}`, () =>
      cluster.begin(),
    ),
  };
  const distrust = createDistrust(context);
  const [timeLine] = await Promise.all([
    readTimeLine(context, clients, readings, distrust),
    readings.untilRead('toKubernetes.filter', () => judgeFilter(context, clients), isOurMistake),
    readings.untilRead('name of this cluster in Consul', () => readNames(context, clients, owner), isOurMistake),
  ]);
  const { nonce } = await lead({ owner, distrust, timeLine });
  const hasMirrors = async () => {
    const { services, endpointSlices } = await shared.whole;
    return [...services.values(), ...endpointSlices.values()].some(({ labels }) => ownsObject(owner, labels));
  };
  const trust = await readTrust(context, clients, readings, owner, hasMirrors, { distrust, timeLine, nonce });
  const lists = createCatalogLists({ ...context, ...trust, client: clients.consul, brake: clients.brake });
  const whole = { ...context, ...trust, lists };
  const [toConsul, toKubernetes] = await Promise.all([
    toConsulViews && readToConsul(whole, clients, readings, owner, toConsulViews),
    config.toKubernetes.enabled ? readToKubernetes(whole, clients, readings, owner, shared) : undefined,
  ]);
  return { owner, trust, lists, toConsul, toKubernetes, closedNamespaces: () => shared.watched?.closed ?? NONE_CLOSED };
}

/** With what has to hold before absence in Consul is believed. */
type TrustingContext = Context & Trust & Pick<TrustingWorld, 'lists'>;

/**
 * What an earlier run under another name left has to be noticed before anything is written, whichever direction is on.
 * @throws ClusterRenamedError when there is any
 */
async function readNames({ config }: Context, { nodes }: Clients, owner: Owner): Promise<void> {
  assertNotRenamed(owner, config.besides, await nodes.list(META.clusterUid, owner.clusterUid));
}

async function judgeFilter({ config, signal }: Context, { consul }: Clients): Promise<void> {
  if (config.toKubernetes.enabled) await assertFilter(consul, config.toKubernetes.filter, signal);
}

/** Waiting would not mend it. */
function isOurMistake(error: unknown): boolean {
  return error instanceof ClusterIdentityError || error instanceof ClusterRenamedError || error instanceof ConfigError;
}

async function readToConsul(
  context: TrustingContext,
  { consul, nodes, brake }: Clients,
  readings: Readings,
  owner: Owner,
  reading: Promise<ToConsulViews>,
): Promise<World['toConsul']> {
  const source = consulServices({ ...context, client: consul, brake }, owner);
  const foreign = new ForeignInstances({ ...context, source, owner });
  const [own, , transactionLimit, views] = await Promise.all([
    readings.untilRead(
      'Consul nodes of this cluster',
      () => OwnCatalog.read(consulNodes(nodes, context, owner), owner),
      isOurMistake,
    ),
    // A command looks at all pods, and at one moment.
    context.isReadOnly ? readings.untilRead('Consul service names', () => foreign.readNames(Infinity)) : undefined,
    readings.untilRead('Consul version', () => readTransactionLimit(consul, context.log)),
    reading,
  ]);
  return { own, foreign, transactionLimit, views, tokenRights: new TokenRights(consul) };
}

async function readToKubernetes(
  context: TrustingContext,
  { kubernetes, consul, resources, brake, workloadEntries: kind }: Clients,
  readings: Readings,
  owner: Owner,
  shared: Shared,
): Promise<World['toKubernetes']> {
  const { toKubernetes } = context.config;
  const namespaces = followNamespaces(context, kubernetes, resources, readings, shared);
  readings.add('Kubernetes mirror namespaces', () => namespaces.failure);
  let pods: View<Pod> | undefined;
  // Followed even when nothing should have any, for the same reason.
  const workloadEntries = new OptionalKind({
    ...{ client: kubernetes, kind, namespaces: toKubernetes.namespaces, ...context },
    follow: (resource, namespace, signal) =>
      new Reflector({ client: kubernetes, resource, namespace, ...MARKED, ...readings.following, ...context, signal }),
    pace: context.timings?.kindPace,
    prepare: async () => (pods = await shared.readPods()),
  });
  readings.add(`Kubernetes ${kind.plural}`, () => workloadEntries.failure);
  const { endpointSlices } = await shared.whole;
  const ours = [...endpointSlices.values()].filter(({ labels }) => ownsObject(owner, labels));
  context.timeLine.remember(highestIndex(ours, context.witness.known?.nonce ?? ''));
  const services = new ServiceCatalog({
    client: consul,
    isCandidate: (name) => isCandidate(toKubernetes, name),
    filter: othersFilter(owner),
    instanceFilter: toKubernetes.filter,
    sweepPace: context.timings?.sweepPace,
    brake,
    ...context,
  });
  readings.add('Consul services', () => services.failure);
  const retention = new RetainingCatalog({
    ...context,
    ...{ catalog: services, owner, config: toKubernetes, brake, clock: systemClock },
    secondAnswerMs: context.timings?.secondAnswerMs,
  });
  const catalog = new TaggedCatalog(retention, toKubernetes.tagServices);
  // They are the whole cluster's.
  const serviceCIDRs = shared.watched ? undefined : await readServiceCIDRs(kubernetes, resources, readings);
  await Promise.all([services.synced, workloadEntries.settled, namespaces.settled]);
  const kept = { endpoints: namespaces.views, namespaces, serviceCIDRs, workloadEntries };
  const views = { ...kept, pods: () => pods, ...(await shared.whole) };
  const selectAgain = () => services.selectAgain();
  return { catalog, retention, views, selectAgain, hosts: createHosts(context, owner, views, catalog) };
}

/** v1 Endpoints are followed even when they are switched off: what was written before has to be seen to be removed. */
function followNamespaces(
  context: Context,
  client: KubernetesClient,
  resources: Resources,
  { following }: Readings,
  { watched }: Shared,
) {
  const { config, timings, isReadOnly = false } = context;
  const rightsIn = (name: string) => mirrorRights(resources, name, config.toConsul.watch);
  return new WritableNamespaces({
    ...{ client, names: config.toKubernetes.namespaces, pace: timings?.namespacePace, ...context },
    rightsIn: (name) => (isReadOnly ? { ...rightsIn(name), write: [] } : rightsIn(name)),
    watch: (name, signal) =>
      new Reflector({
        ...{ client, resource: resources.namespaces, fieldSelector: `metadata.name=${name}` },
        ...{ ...following, ...context, signal },
      }),
    follow: (namespace, signal) => {
      const scope = { client, resource: resources.endpoints, namespace, ...MARKED };
      const reflector = new Reflector({ ...scope, ...following, ...context, signal });
      return watched ? afterOpening(watched, namespace, reflector) : reflector;
    },
  });
}

/** A namespace is not written to before its Services and slices are in the views. */
function afterOpening<T extends KubernetesObject>(
  watched: WatchedNamespaces,
  namespace: string,
  reflector: Followed<T>,
): Followed<T> {
  return {
    synced: watched.opened(namespace).then(() => reflector.synced),
    get failure() {
      return reflector.failure ?? watched.closed.get(namespace);
    },
  };
}

const NONE_CLOSED: ReadonlyMap<string, string> = new Map();

/** Objects that carry Consular's mark. */
const MARKED = { labelSelector: `${LABEL.managedBy}=${MANAGED_BY}` };

/** Host names of instances, with what Kubernetes still shows of them. */
function createHosts(
  { config, signal, timings }: Context,
  owner: Owner,
  views: ToKubernetesViews,
  catalog: ReadCatalog,
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

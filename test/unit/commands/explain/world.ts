import { parseConfig } from '../../../../src/config/load.ts';
import type { Config } from '../../../../src/config/schema.ts';
import type { ConsulReader } from '../../../../src/consul/client.ts';
import { RetainingCatalog } from '../../../../src/to-kubernetes/retention/retaining-catalog.ts';
import { TaggedCatalog } from '../../../../src/to-kubernetes/tagged-catalog.ts';
import { createCatalogLists } from '../../../../src/consul/catalog-lists.ts';
import { ServiceCatalog } from '../../../../src/consul/service-catalog.ts';
import type { ServiceInstance } from '../../../../src/consul/types.ts';
import type { EndpointSlice, Node, Pod, Service } from '../../../../src/kubernetes/objects.ts';
import { createMetrics } from '../../../../src/observability/metrics.ts';
import { ForeignInstances } from '../../../../src/to-consul/observed/foreign-instances.ts';
import { OwnCatalog } from '../../../../src/to-consul/observed/own-catalog.ts';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import { HostCache } from '../../../../src/to-kubernetes/addresses/host-cache.ts';
import { isCandidate } from '../../../../src/to-kubernetes/requests/selection.ts';
import type { World } from '../../../../src/world/world.ts';
import { node, owner } from '../../builders.ts';
import { NO_BRAKE } from '../../brake.ts';
import { TestClock } from '../../clock.ts';
import { answer, Answers, row } from '../../consul/answers.ts';
import { QUIET } from '../../log.ts';
import { MemoryNodes } from '../../to-consul/observed/memory-nodes.ts';
import { viewOf, views } from '../../to-kubernetes/views.ts';

export interface WorldGiven {
  readonly pods?: readonly Pod[];
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  readonly nodes?: readonly Node[];
  /** Instances of ours in Consul. */
  readonly observed?: readonly OwnInstance[];
  /** Instances of others in Consul. */
  readonly foreign?: readonly ServiceInstance[];
  /** Consul nodes that have our names, and are another's. */
  readonly refusedNodes?: readonly string[];
  /** Namespaces that nothing can be written into. */
  readonly closed?: readonly string[];
  /** Consul services that the token may not write. @default none */
  readonly denied?: readonly string[];
  readonly toConsul?: object;
  readonly toKubernetes?: object;
}

/** The configuration of a command, and both systems, completely read from what is given. */
interface Stage {
  readonly config: Config;
  readonly world: World;
  readonly consul: ConsulReader;
  /** Ends what would be looked up again and again. */
  readonly end: () => void;
}

export async function worldOf(given: WorldGiven = {}): Promise<Stage> {
  const ended = new AbortController();
  const consul = consulWith(given.foreign ?? []);
  const toKubernetes = { namespaces: ['shop'], importNamespaces: ['shop'], ...given.toKubernetes };
  const config = parseConfig(JSON.stringify({ cluster: 'prod', toConsul: given.toConsul, toKubernetes }), {});
  const world: World = {
    owner,
    closedNamespaces: () => new Map(),
    toConsul: config.toConsul.enabled ? await toConsulOf(given) : undefined,
    toKubernetes: config.toKubernetes.enabled ? await toKubernetesOf(config, given, consul, ended.signal) : undefined,
  };
  return { config, world, consul, end: () => ended.abort() };
}

async function toConsulOf(given: WorldGiven): Promise<World['toConsul']> {
  const consulNodes = new MemoryNodes();
  const own = await OwnCatalog.read(consulNodes, owner, new TestClock());
  for (const name of given.refusedNodes ?? []) {
    consulNodes.put(name, [], { 'managed-by': 'somebody' });
    await own.refresh(name);
  }
  for (const instance of given.observed ?? []) {
    own.nodeWritten(instance.registration.node, 20);
    own.written(instance);
  }
  const foreign = new ForeignInstances({
    source: {
      names: () => Promise.resolve((given.foreign ?? []).map(({ service }) => service)),
      read: (name) => Promise.resolve((given.foreign ?? []).filter(({ service }) => service === name)),
      follow: () => () => undefined,
    },
    ...{ owner, log: QUIET, signal: new AbortController().signal, clock: new TestClock() },
  });
  await foreign.readNames(Infinity);
  const { services, endpointSlices } = views(given);
  const shown = { pods: viewOf(...(given.pods ?? [])), nodes: viewOf(...(given.nodes ?? [node()])) };
  return {
    views: { ...shown, services, endpointSlices },
    own,
    foreign,
    transactionLimit: 64,
    tokenRights: tokenRights(given),
  };
}

function tokenRights({ denied = [] }: WorldGiven): NonNullable<World['toConsul']>['tokenRights'] {
  return {
    learn: () => Promise.resolve(),
    isDenied: ({ resource, name }) => resource === 'service' && denied.includes(name),
  };
}

async function toKubernetesOf(
  config: Config,
  given: WorldGiven,
  consul: ConsulReader,
  signal: AbortSignal,
): Promise<World['toKubernetes']> {
  const clock = new TestClock();
  const timeLine = {
    early: () => undefined,
    failed: () => undefined,
    answeredAgain: () => undefined,
    takeNamesIndex: () => Promise.resolve(),
  };
  const reading = { client: consul, timeLine, brake: NO_BRAKE, log: QUIET, metrics: createMetrics(), signal, clock };
  const services = new ServiceCatalog({
    ...{ ...reading, lists: createCatalogLists(reading), filter: 'not ours' },
    isCandidate: (name) => isCandidate(config.toKubernetes, name),
    absence: { assertBelievable: () => Promise.resolve() },
  });
  await clock.advance(0);
  await services.synced;
  const retention = new RetainingCatalog({
    ...{ catalog: services, owner, config: config.toKubernetes, brake: NO_BRAKE, signal },
    ...{ log: QUIET, metrics: createMetrics(), clock },
  });
  const catalog = new TaggedCatalog(retention, config.toKubernetes.tagServices);
  const lookUp = () => Promise.reject(new Error('there is no such name in DNS'));
  const shown = views(given);
  for (const name of given.closed ?? []) shown.namespaces.close(name);
  return {
    views: shown,
    catalog,
    retention,
    selectAgain: () => undefined,
    hosts: new HostCache({ lookUp, isUsedBy: () => true }, signal),
  };
}

/** A Consul in which nothing changes any more. */
function consulWith(instances: readonly ServiceInstance[]): Answers {
  const names = ['consul', ...instances.map(({ service }) => service)];
  return new Answers((question) => {
    const [path = ''] = question.split(' ');
    if (question.includes(' index=')) return new Promise(() => undefined);
    if (path === '/health/service/consul') return answer([{ ...row, Service: { ...row.Service, Service: 'consul' } }]);
    if (path === '/catalog/services') return answer(Object.fromEntries(names.map((name) => [name, []])));
    const name = path.replace('/health/service/', '').toLowerCase();
    return answer(instances.filter(({ service }) => service.toLowerCase() === name).map(rowOf));
  });
}

function rowOf({ node, nodeAddress, status, weight, ...instance }: ServiceInstance): object {
  const { id, service, address, port, tags, meta, kind } = instance;
  const weights = { Passing: weight, Warning: weight };
  return {
    Node: { Node: node, Address: nodeAddress },
    Service: {
      ...{ ID: id, Service: service, Address: address, Port: port, Tags: tags, Kind: kind, Weights: weights },
      Meta: Object.fromEntries(meta),
    },
    Checks: [{ Status: status }],
  };
}

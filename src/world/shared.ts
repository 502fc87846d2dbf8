import { watchedNamespaces } from '../config/to-consul.ts';
import type { EndpointSlice, Node, Pod, Service } from '../kubernetes/objects.ts';
import { Reflector } from '../kubernetes/reflector.ts';
import { WatchedView, type View } from '../kubernetes/view.ts';
import { WatchedNamespaces } from '../kubernetes/watched-namespaces.ts';
import type { Clients, Context } from './context.ts';
import type { Readings } from './readings.ts';

/** What both directions read of Kubernetes. */
export interface Shared {
  readonly whole: Promise<{ readonly services: View<Service>; readonly endpointSlices: View<EndpointSlice> }>;
  /** Not every configuration needs them, and they are many. */
  readonly readPods: () => Promise<View<Pod>>;
  /** Those that may be registered. */
  readonly readSelected: () => Promise<View<Pod>>;
  readonly readNodes: () => Promise<View<Node>>;
  /** Undefined where the whole cluster is read. */
  readonly watched: WatchedNamespaces | undefined;
}

/** Begins to read at once. */
export function readShared(context: Context, clients: Clients, readings: Readings): Shared {
  const { kubernetes, resources } = clients;
  if (context.config.toConsul.watch === 'namespaces') return readNamespaces(context, clients, readings);
  const { selector } = context.config.toConsul;
  let pods: Promise<View<Pod>> | undefined;
  let selected: Promise<View<Pod>> | undefined;
  const readPods = () => (pods ??= readings.reflect(kubernetes, resources.pods));
  return {
    whole: Promise.all([
      readings.reflect(kubernetes, resources.services),
      readings.reflect(kubernetes, resources.endpointSlices),
    ]).then(([services, endpointSlices]) => ({ services, endpointSlices })),
    readPods,
    readSelected: () =>
      (selected ??=
        selector === '' ? readPods() : readings.reflect(kubernetes, resources.pods, { labelSelector: selector })),
    readNodes: () => readings.reflect(kubernetes, resources.nodes),
    watched: undefined,
  };
}

/** For whoever has no right to the whole cluster. Nodes are the whole cluster's: there are none to be seen then. */
function readNamespaces(context: Context, { kubernetes: client, resources }: Clients, readings: Readings): Shared {
  const { toConsul, toKubernetes } = context.config;
  const withPods = toConsul.enabled ? watchedNamespaces(toConsul) : [];
  const others = toKubernetes.enabled ? [...toKubernetes.namespaces, ...toKubernetes.importNamespaces] : [];
  const watched = new WatchedNamespaces({
    ...{ names: [...withPods, ...others], withPods: new Set(withPods), resources },
    follow: (resource, namespace, onRefused) =>
      new Reflector({
        ...{ client, resource, namespace, onRefused },
        ...(resource.kind === resources.pods.kind ? { labelSelector: toConsul.selector } : {}),
        ...{ ...readings.following, ...context },
      }),
  });
  readings.add('Kubernetes namespaces', () => watched.failure);
  readings.addResumable(watched);
  context.log.info('only some namespaces are read', { namespaces: [...watched.names], without: WITHOUT });
  const views = watched.settled.then(() => watched);
  return {
    whole: views.then(({ services, endpointSlices }) => ({ services, endpointSlices })),
    readPods: () => views.then(({ pods }) => pods),
    readSelected: () => views.then(({ pods }) => pods),
    readNodes: () => Promise.resolve(new WatchedView<Node>(new Map())),
    watched,
  };
}

/** What takes a right to the whole cluster, for the log. */
const WITHOUT = [
  'nodes: the zone of an instance is that of its pod, if Kubernetes labels pods so',
  'servicecidrs: ranges of ClusterIPs and the machine of the API server belong into toKubernetes.denyAddresses',
];

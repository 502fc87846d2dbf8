import { matchesAny } from '../../config/pattern.ts';
import type { Container, ContainerPort, Pod } from '../../kubernetes/objects.ts';
import { quote } from '../registration/rejection.ts';

/**
 * Containers that meshes put into the pods of others, by the names that these meshes give them. Init containers of meshes
 * that end are not among them, because their ports count for nothing anyway, nor is `envoy`: many people call an
 * application of their own so.
 */
export const MESH_CONTAINERS: readonly string[] = [
  'istio-proxy',
  ...['linkerd-proxy', 'linkerd-debug'],
  ...['consul-dataplane', 'consul-dataplane-*', 'envoy-sidecar', 'envoy-sidecar-*'],
  ...['consul-connect-envoy-sidecar', 'consul-sidecar'],
  'kuma-sidecar',
  'nginx-mesh-sidecar',
  'daprd',
];

/** The port of a pod for which nobody said one. */
export interface DefaultPort {
  readonly port: ContainerPort;
  readonly container: string;
  /** Why it is that container's, for people. */
  readonly why: string;
}

/**
 * The first TCP port of the first container that has one. The containers, in the order in which they are looked at:
 *
 * | a container                                                         |                              |
 * |---------------------------------------------------------------------|------------------------------|
 * | that the annotation `kubectl.kubernetes.io/default-container` names | first                        |
 * | of the application                                                  | in the order of the manifest |
 * | that a mesh put into the pod                                        | not at all; in a pod of nothing else, such as a gateway, it is the application |
 * | that is a native sidecar, and not a mesh's                          | last                         |
 *
 * @param injected patterns of names beside those of known meshes
 * @returns the port, or the words for what was expected and found
 */
export function defaultPort(
  { containers }: Pick<Pod, 'containers'>,
  injected: readonly string[],
): DefaultPort | string {
  const isMeshs = (container: Container) => isInjected(container, injected);
  const regular = containers.filter(({ isSidecar }) => !isSidecar);
  const application = regular.filter((container) => !isMeshs(container));
  const inOrder = [
    ...containers.filter(({ isDefault }) => isDefault),
    ...(application.length > 0 ? application : regular),
    ...containers.filter((container) => container.isSidecar && !isMeshs(container)),
  ];
  const found = inOrder.find(tcpPort);
  const port = found && tcpPort(found);
  if (port) return { port, container: found.name, why: reasonFor(found, containers.filter(isMeshs)) };
  const expected = 'port: expected a TCP container port or the annotation service-port, found';
  const meshs = containers.filter(tcpPort);
  return meshs.length === 0
    ? `${expected} neither`
    : `${expected} only ports of containers that a mesh put into the pod: ${namesOf(meshs)}`;
}

/** Whether a mesh put the container into the pod: by its name, or because Istio says so. */
export function isInjected({ name, isIstios }: Container, injected: readonly string[]): boolean {
  return isIstios || matchesAny(MESH_CONTAINERS, name) || matchesAny(injected, name);
}

function tcpPort({ ports }: Container): ContainerPort | undefined {
  return ports.find(({ protocol }) => protocol === 'TCP');
}

function reasonFor(found: Container, meshs: readonly Container[]): string {
  if (found.isDefault) return 'the annotation kubectl.kubernetes.io/default-container names it';
  const passedOver = meshs.filter((container) => container !== found && tcpPort(container));
  const first = found.isSidecar
    ? 'it is a native sidecar, and no container of the application has a TCP port'
    : 'it is the first container with a TCP port';
  return passedOver.length === 0
    ? first
    : `${first}, without those that a mesh put into the pod: ${namesOf(passedOver)}`;
}

const namesOf = (containers: readonly Container[]) => containers.map(({ name }) => quote(name)).join(', ');

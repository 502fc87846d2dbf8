import type { Address, Family } from '../../address.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import type { Service } from '../../kubernetes/objects.ts';
import { chooseAppProtocol, choosePorts, isPort, type MirroredPorts, type PortsConfig } from './mirrored-ports.ts';
import { chooseShape, isHeadless, wantsHeadless, type ServiceShape, type ShapeConfig } from './service-shape.ts';

/** A Consul service as Kubernetes should see it. */
export interface MirroredService {
  /** As Consul spells it. */
  readonly consulService: string;
  readonly shape: ServiceShape;
  readonly ports: MirroredPorts;
  readonly appProtocol: string;
  readonly endpoints: readonly MirroredEndpoint[];
  /** Of all its instances outside Kubernetes, well or not, each once and in order. */
  readonly tags: readonly string[];
}

export interface MirroredEndpoint {
  readonly address: string;
  readonly family: Family;
  readonly port: number;
  readonly zone: string;
  /** The host name that the address was resolved from; empty when Consul has the address itself. */
  readonly host: string;
  /** Where it comes from. */
  readonly instance: ServiceInstance;
}

/** An instance that cannot be an endpoint, and why. */
export interface RefusedInstance {
  readonly instance: string;
  readonly reason: string;
}

interface MirrorConfig extends PortsConfig, ShapeConfig {
  readonly minHealth: 'warning' | 'passing';
}

/** Where an instance is. */
interface Located extends Address {
  /** Why it may be out of date. */
  readonly doubt?: string;
}

/** What the cluster, and DNS, say of an address; nothing is known yet of a host name that is `pending`. */
export type Judgement = (Located | { readonly refused: string } | { readonly pending: true }) & {
  /** The host name that the address is. */
  readonly host?: string;
};

export interface Network {
  judge(address: string): Judgement;
  /** The IP families that Services can have, the cluster's first one first. */
  readonly families: readonly Family[];
}

/** An address and port at which several Consul nodes have an instance: it is one endpoint. */
export interface RepeatedEndpoint {
  readonly address: string;
  readonly port: number;
  /** Names of these nodes, in order. */
  readonly nodes: readonly string[];
}

export interface Mirroring {
  readonly mirrored: MirroredService;
  readonly refused: readonly RefusedInstance[];
  /** Those that are endpoints at an address that may be out of date. */
  readonly doubtful: readonly RefusedInstance[];
  /** Those that several Consul nodes have. */
  readonly repeated: readonly RepeatedEndpoint[];
  /** The host names that its instances have, known or not: all that has to be looked up. */
  readonly hosts: ReadonlySet<string>;
  /** Whether the Service should be headless; what there is stays as it is. */
  readonly wantsHeadless: boolean;
}

/** @param observed the Service as it is, which keeps its ports and its shape */
export function mirror(
  consulService: string,
  foreign: readonly ServiceInstance[],
  config: MirrorConfig,
  observed: Service | undefined,
  network: Network,
): Mirroring {
  const refused: RefusedInstance[] = [];
  const doubtful: RefusedInstance[] = [];
  const endpoints = new Map<string, MirroredEndpoint>();
  const nodes = new Map<string, Set<string>>();
  const families = new Set<Family>();
  const hosts = new Set<string>();
  // In an order of our own: Consul promises none, and which of two instances at one address is taken must not change.
  for (const instance of [...foreign].sort((a, b) => (identityOf(a) < identityOf(b) ? -1 : 1))) {
    const located = locate(instance, network);
    if (located.host !== undefined) hosts.add(located.host);
    if ('pending' in located) continue;
    // The host name of an instance that is not well counts too: its address will be wanted again.
    if ('family' in located) families.add(located.family);
    if (!isHealthy(instance, config)) continue;
    if ('refused' in located) {
      refused.push({ instance: identityOf(instance), reason: located.refused });
      continue;
    }
    const { address, family, host = '', doubt } = located;
    if (doubt !== undefined) doubtful.push({ instance: identityOf(instance), reason: doubt });
    // A ghost beside a live instance: the same address and port is one endpoint.
    const place = `${address} ${instance.port}`;
    nodes.set(place, (nodes.get(place) ?? new Set()).add(instance.node));
    endpoints.set(place, {
      address,
      family,
      port: instance.port,
      zone: zoneOf(instance),
      host,
      instance,
    });
  }
  const wished = wantsHeadless(consulService, foreign, config);
  const headless = observed ? isHeadless(observed) : wished;
  const mirrored = {
    consulService,
    shape: chooseShape(headless, families, network.families, observed),
    ports: choosePorts(foreign, config, observed, headless),
    appProtocol: chooseAppProtocol(foreign),
    endpoints: [...endpoints.values()],
    tags: [...new Set(foreign.flatMap(({ tags }) => tags))].sort(),
  };
  const repeated = [...endpoints].flatMap(([place, { address, port }]) => {
    const names = [...(nodes.get(place) ?? [])];
    return names.length > 1 ? [{ address, port, nodes: names }] : [];
  });
  return { mirrored, refused, doubtful, repeated, hosts, wantsHeadless: wished };
}

/** Well enough to get traffic. */
export function isHealthy({ status }: ServiceInstance, { minHealth }: Pick<MirrorConfig, 'minHealth'>): boolean {
  return status === 'passing' || (status === 'warning' && minHealth === 'warning');
}

function identityOf({ node, id }: ServiceInstance): string {
  return `${node}/${id}`;
}

function locate(instance: ServiceInstance, network: Network): Judgement {
  const { address, nodeAddress, port } = instance;
  return isPort(port) ? network.judge(address || nodeAddress) : { refused: `its port is ${port}` };
}

const LABEL_VALUE = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

function zoneOf({ meta }: ServiceInstance): string {
  const zone = meta.get('zone') ?? '';
  return LABEL_VALUE.test(zone) ? zone : '';
}

import type { Address, Family } from '../../address.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import type { Protocol, Service } from '../../kubernetes/objects.ts';
import { choosePorts, isGuess, isPort, type MirroredPorts, type PortsConfig } from './mirrored-ports.ts';
import { protocolOf } from '../../consul/protocol.ts';
import { chooseShape, isHeadless, wantsHeadless, type ServiceShape, type ShapeConfig } from './service-shape.ts';

/** A Consul service as Kubernetes should see it. */
export interface MirroredService {
  /** As Consul spells it. */
  readonly consulService: string;
  readonly shape: ServiceShape;
  /** For each protocol that it speaks. */
  readonly ports: readonly MirroredPorts[];
  /** True while its ports, and its shape, are what instances say of which none was ever an endpoint. */
  readonly isGuess: boolean;
  readonly endpoints: readonly MirroredEndpoint[];
  /** Of all its instances outside Kubernetes, well or not, each once and in order. */
  readonly tags: readonly string[];
}

export interface MirroredEndpoint {
  readonly address: string;
  readonly family: Family;
  readonly port: number;
  /** Behind a port of somebody else's Service what that has. */
  readonly protocol: Protocol;
  readonly zone: string;
  /** The host name that the address was resolved from; empty when Consul has the address itself. */
  readonly host: string;
  /** Where it comes from; undefined for an endpoint that stays although Consul does not show its instance. */
  readonly instance: ServiceInstance | undefined;
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
  /** Those that say what the Service is like: its endpoints, and while there is none all that it has in Consul. */
  readonly voters: readonly ServiceInstance[];
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
  const { endpoints, healthy, families, ...told } = sortOut(foreign, config, network);
  const isServed = endpoints.length > 0;
  const voters = healthy.length > 0 ? healthy : foreign;
  const isSaid = voters.length > 0 || !observed;
  const wished = isSaid ? wantsHeadless(consulService, voters, config) : isHeadless(observed);
  const headless = observed ? isHeadless(observed) : wished;
  const servedFamilies = new Set(endpoints.map(({ family }) => family));
  // What was chosen without an endpoint does not count once there is one.
  const chosen = isServed && isGuess(observed) ? undefined : observed;
  const mirrored = {
    consulService,
    shape: chooseShape(headless, isServed ? servedFamilies : families, network.families, observed),
    ports: choosePorts({ voters, foreign }, config, chosen, headless),
    isGuess: !isServed && isGuess(observed),
    endpoints,
    tags: [...new Set(foreign.flatMap(({ tags }) => tags))].sort(),
  };
  return { mirrored, ...told, voters, wantsHeadless: wished };
}

interface Sorted extends Pick<Mirroring, 'refused' | 'doubtful' | 'repeated' | 'hosts'> {
  readonly endpoints: readonly MirroredEndpoint[];
  /** Those that are endpoints, and those that will be once more is known of their host name. */
  readonly healthy: readonly ServiceInstance[];
  /** Of all that have an address, endpoints or not. */
  readonly families: ReadonlySet<Family>;
}

function sortOut(foreign: readonly ServiceInstance[], config: MirrorConfig, network: Network): Sorted {
  const refused: RefusedInstance[] = [];
  const doubtful: RefusedInstance[] = [];
  const endpoints = new Map<string, MirroredEndpoint>();
  const nodes = new Map<string, Set<string>>();
  const families = new Set<Family>();
  const healthy: ServiceInstance[] = [];
  const hosts = new Set<string>();
  // In an order of our own: Consul promises none, and which of two instances at one address is taken must not change.
  for (const instance of [...foreign].sort((a, b) => (identityOf(a) < identityOf(b) ? -1 : 1))) {
    const located = locate(instance, network);
    if (located.host !== undefined) hosts.add(located.host);
    if ('pending' in located) {
      // It will be an endpoint in a moment: what it says must not change twice for that.
      if (isHealthy(instance, config)) healthy.push(instance);
      continue;
    }
    if ('family' in located) families.add(located.family);
    if (!isHealthy(instance, config)) continue;
    if ('refused' in located) {
      refused.push({ instance: identityOf(instance), reason: located.refused });
      continue;
    }
    const { address, family, host = '', doubt } = located;
    if (doubt !== undefined) doubtful.push({ instance: identityOf(instance), reason: doubt });
    healthy.push(instance);
    const protocol = protocolOf(instance);
    // A ghost beside a live instance: the same address and port is one endpoint.
    const place = `${address} ${instance.port} ${protocol}`;
    nodes.set(place, (nodes.get(place) ?? new Set()).add(instance.node));
    endpoints.set(place, {
      address,
      family,
      port: instance.port,
      protocol,
      zone: zoneOf(instance),
      host,
      instance,
    });
  }
  const repeated = [...endpoints].flatMap(([place, { address, port }]) => {
    const names = [...(nodes.get(place) ?? [])];
    return names.length > 1 ? [{ address, port, nodes: names }] : [];
  });
  return { endpoints: [...endpoints.values()], healthy, families, refused, doubtful, repeated, hosts };
}

/** Well enough to get traffic. */
export function isHealthy(instance: ServiceInstance, config: Pick<MirrorConfig, 'minHealth'>): boolean {
  return whyNoTraffic(instance, config) === undefined;
}

/** Why an instance is to get no traffic; undefined when it is. A weight of 0 is Consul's way to say so: for a warning, mostly. */
export function whyNoTraffic(
  { status, weight }: ServiceInstance,
  { minHealth }: Pick<MirrorConfig, 'minHealth'>,
): string | undefined {
  if (status === 'critical' || (status === 'warning' && minHealth === 'passing')) return `it is ${status}`;
  return weight > 0 ? undefined : `it is ${status}, and its weight is ${weight} then`;
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

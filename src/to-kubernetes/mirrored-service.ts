import type { ServiceInstance } from '../consul/types.ts';
import type { Service } from '../kubernetes/objects.ts';
import type { Family, Judged } from '../address.ts';

/** A Consul service as Kubernetes should see it. */
export interface MirroredService {
  /** As Consul spells it. */
  readonly consulService: string;
  readonly ports: MirroredPorts;
  readonly appProtocol: string;
  readonly endpoints: readonly MirroredEndpoint[];
}

export interface MirroredPorts {
  /** The port that callers use without thinking of one. */
  readonly main: number;
  /** The port that most instances use, so that URLs with a port keep working; undefined when it is off or the same. */
  readonly alias: number | undefined;
}

export interface MirroredEndpoint {
  readonly address: string;
  readonly family: Family;
  readonly port: number;
  readonly zone: string;
  /** Where it comes from. */
  readonly instance: ServiceInstance;
}

/** An instance that cannot be an endpoint, and why. */
export interface RefusedInstance {
  readonly instance: string;
  readonly reason: string;
}

export interface MirrorConfig {
  readonly port: number;
  readonly aliasPort: boolean;
  readonly minHealth: 'warning' | 'passing';
}

/** Ports of a Service are one name for ever: clients of named ports and Istio's routes depend on it. */
export const MAIN_PORT = 'main';
export const ALIAS_PORT = 'alias';
const SECURE_PORT = 443;

/** @param present the Service as it is, whose ports are sticky */
export function mirror(
  consulService: string,
  foreign: readonly ServiceInstance[],
  config: MirrorConfig,
  present: Service | undefined,
  judge: (address: string) => Judged,
): { readonly mirrored: MirroredService; readonly refused: readonly RefusedInstance[] } {
  const refused: RefusedInstance[] = [];
  const endpoints = new Map<string, MirroredEndpoint>();
  // In an order of our own: Consul promises none, and which of two instances at one address is taken must not change.
  for (const instance of [...foreign].sort((a, b) => (identityOf(a) < identityOf(b) ? -1 : 1))) {
    if (!isHealthy(instance, config)) continue;
    const endpoint = toEndpoint(instance, judge);
    if ('refused' in endpoint) refused.push({ instance: identityOf(instance), reason: endpoint.refused });
    // A ghost beside a live instance: the same address and port is one endpoint.
    else endpoints.set(`${endpoint.address} ${endpoint.port}`, endpoint);
  }
  const mirrored = {
    consulService,
    ports: choosePorts(foreign, config, present),
    appProtocol: chooseAppProtocol(foreign),
    endpoints: [...endpoints.values()],
  };
  return { mirrored, refused };
}

/** Well enough to get traffic. */
export function isHealthy({ status }: ServiceInstance, { minHealth }: Pick<MirrorConfig, 'minHealth'>): boolean {
  return status === 'passing' || (status === 'warning' && minHealth === 'warning');
}

function identityOf({ node, id }: ServiceInstance): string {
  return `${node}/${id}`;
}

function toEndpoint(
  instance: ServiceInstance,
  judge: (address: string) => Judged,
): MirroredEndpoint | { readonly refused: string } {
  const { port } = instance;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return { refused: `its port is ${port}` };
  const judged = judge(instance.address || instance.nodeAddress);
  if ('refused' in judged) return judged;
  const zone = instance.meta.get('zone') ?? '';
  return { ...judged, port, zone: LABEL_VALUE.test(zone) ? zone : '', instance };
}

const LABEL_VALUE = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** Spring says `secure` in the meta from 3.0 on, and in a tag before. */
function isSecure({ meta, tags }: ServiceInstance): boolean {
  return meta.get('secure') === 'true' || tags.includes('secure=true');
}

/**
 * Sticky: a number that a Service has stays, or routes and URLs would break with the next instance.
 * The main port follows the setting, unless the Service has 443 because its instances were secure when it was made.
 */
function choosePorts(
  foreign: readonly ServiceInstance[],
  config: MirrorConfig,
  present: Service | undefined,
): MirroredPorts {
  const presentMain = present?.ports.find(({ name }) => name === MAIN_PORT)?.port;
  const secure = foreign.filter(isSecure).length * 2 > foreign.length;
  const main =
    presentMain === config.port || presentMain === SECURE_PORT ? presentMain : secure ? SECURE_PORT : config.port;
  const presentAlias = present?.ports.find(({ name }) => name === ALIAS_PORT)?.port;
  const ports = foreign.map(({ port }) => port).filter((port) => Number.isInteger(port) && port >= 1 && port <= 65_535);
  const alias = config.aliasPort ? (presentAlias ?? mostCommon(ports)) : undefined;
  return { main, alias: alias === main ? undefined : alias };
}

/** As the API server wants it, or it refuses the whole Service: a name, perhaps behind a DNS subdomain. */
const QUALIFIED_NAME =
  /^((?=[^/]{1,253}\/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** Meta `protocol`, else a tag `protocol=`, else what Spring's `secure` says; nothing when nobody says anything. */
function chooseAppProtocol(foreign: readonly ServiceInstance[]): string {
  const spoken = foreign.map(({ meta, tags }) => {
    const declared =
      meta.get('protocol') ?? tags.find((tag) => tag.startsWith('protocol='))?.slice('protocol='.length) ?? '';
    if (QUALIFIED_NAME.test(declared)) return declared;
    const secure = meta.get('secure') ?? tags.find((tag) => tag.startsWith('secure='))?.slice('secure='.length);
    return secure === 'true' ? 'https' : secure === 'false' ? 'http' : '';
  });
  return mostCommon(spoken.filter((protocol) => protocol !== '')) ?? '';
}

/** The smallest of the most frequent values, so that the order of answers does not matter. */
function mostCommon<T extends string | number>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0]?.[0];
}

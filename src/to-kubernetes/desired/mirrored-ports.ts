import type { ServiceInstance } from '../../consul/types.ts';
import type { Service } from '../../kubernetes/objects.ts';
import { ANNOTATION } from '../../mark.ts';
import { mostCommon, saidByMost } from './majority.ts';
import { declaredProtocol, protocolOf, PROTOCOLS, type InstanceProtocol } from '../../consul/protocol.ts';

/** The ports of a Service for one protocol. */
export interface MirroredPorts extends PortNumbers {
  readonly protocol: InstanceProtocol;
  /** Empty where nobody says anything. */
  readonly appProtocol: string;
}

export interface PortNumbers {
  /** The port of a URL that names none. */
  readonly main: number;
  /** The port that most instances use, so that URLs with a port keep working; undefined when it is off or the same. */
  readonly alias: number | undefined;
}

export interface PortsConfig {
  readonly port: number;
  readonly aliasPort: boolean;
}

/** Those that have a say, and all. */
export interface Instances {
  readonly voters: readonly ServiceInstance[];
  readonly foreign: readonly ServiceInstance[];
}

/** Ports of a Service are one name for ever: clients of named ports and Istio's routes depend on it. */
export const PORT_NAMES: Readonly<Record<InstanceProtocol, Readonly<Record<keyof PortNumbers, string>>>> = {
  TCP: { main: 'main', alias: 'alias' },
  UDP: { main: 'main-udp', alias: 'alias-udp' },
};
const SECURE_PORT = 443;

/** The ports of a Service with their names, in order. */
export function namedPorts(ports: readonly MirroredPorts[]): (MirroredPorts & { name: string; number: number })[] {
  return ports.flatMap((of) => {
    const { main, alias } = PORT_NAMES[of.protocol];
    return [
      { ...of, name: main, number: of.main },
      ...(of.alias === undefined ? [] : [{ ...of, name: alias, number: of.alias }]),
    ];
  });
}

/**
 * A protocol has ports when an instance with a say speaks it, and keeps them while any instance does: one that is critical for a
 * moment must not cost a port.
 * @param headless whether the Service is, or is to be
 */
export function choosePorts(
  { voters, foreign }: Instances,
  config: PortsConfig,
  observed: Service | undefined,
  headless: boolean,
): MirroredPorts[] {
  const chosen = observedPorts(observed);
  const spoken = PROTOCOLS.filter(
    (protocol) =>
      voters.some((instance) => protocolOf(instance) === protocol) ||
      (chosen[protocol] !== undefined && foreign.some((instance) => protocolOf(instance) === protocol)),
  );
  // Without any instance it stays as it is.
  const kept = PROTOCOLS.filter((protocol) => chosen[protocol]);
  const protocols = spoken.length > 0 ? spoken : kept.length > 0 ? kept : PROTOCOLS.slice(0, 1);
  return protocols.map((protocol) => {
    const of = (instances: readonly ServiceInstance[]) =>
      instances.filter((instance) => protocolOf(instance) === protocol);
    const [speaking, all] = [of(voters), of(foreign)];
    const instances = speaking.length > 0 ? speaking : all;
    const numbers = chooseNumbers(instances, config, chosen[protocol] ?? {}, headless, protocol);
    return { protocol, ...numbers, appProtocol: chooseAppProtocol(instances, protocol) };
  });
}

/**
 * Sticky: a number that a Service has stays, or routes and URLs would break with the next instance. Only a number that was
 * chosen without an endpoint is chosen anew, with the first.
 *
 * | Service         | main                                                                        | alias                              |
 * |-----------------|-----------------------------------------------------------------------------|------------------------------------|
 * | with a ClusterIP | the setting; of TCP 443 if most instances were secure when it was made     | what most used, unless switched off |
 * | headless        | what most used: who resolves its name calls the instances at their own port | none                               |
 */
function chooseNumbers(
  instances: readonly ServiceInstance[],
  config: PortsConfig,
  chosen: Partial<PortNumbers>,
  headless: boolean,
  protocol: InstanceProtocol,
): PortNumbers {
  const used = mostCommon(instances.map(({ port }) => port).filter(isPort));
  if (headless) return { main: chosen.main ?? used ?? config.port, alias: undefined };
  const main =
    chosen.main === config.port || chosen.main === SECURE_PORT
      ? chosen.main
      : protocol === 'TCP' && saidByMost(instances, isSecure)
        ? SECURE_PORT
        : config.port;
  const alias = config.aliasPort ? (chosen.alias ?? used) : undefined;
  return { main, alias: alias === main ? undefined : alias };
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/**
 * As it is remembered beside the ports themselves, so that an edit of those can be told from a choice and is repaired:
 * `80,8080`, with UDP `80,8080 udp:80,8125`.
 * @param isGuess true when no instance was an endpoint, which a question mark at the end says
 */
export function portChoice(ports: readonly MirroredPorts[], isGuess: boolean): string {
  const numbers = ports.map(({ protocol, main, alias }) => {
    return `${protocol === 'UDP' ? 'udp:' : ''}${alias === undefined ? main : `${main},${alias}`}`;
  });
  return `${numbers.join(' ')}${isGuess ? '?' : ''}`;
}

/** True for a Service that is still to be made, or was made when no instance was an endpoint, and never had one since. */
export function isGuess(observed: Service | undefined): boolean {
  return !observed || (observed.annotations.get(ANNOTATION.portChoice) ?? '').endsWith('?');
}

type Chosen = Partial<Record<InstanceProtocol, Partial<PortNumbers>>>;

function observedPorts(observed: Service | undefined): Chosen {
  if (!observed) return {};
  return readChoice(observed.annotations.get(ANNOTATION.portChoice) ?? '') ?? readPorts(observed);
}

/** Undefined for what is no choice. */
function readChoice(text: string): Chosen | undefined {
  const chosen: Chosen = {};
  for (const part of text.replace(/\?$/, '').split(' ')) {
    const [, udp, main, alias] = /^(udp:)?(\d{1,5})(?:,(\d{1,5}))?$/.exec(part) ?? [];
    if (![main, alias].every((number) => number === undefined || isPort(Number(number))) || !main) return undefined;
    chosen[udp ? 'UDP' : 'TCP'] = { main: Number(main), ...(alias ? { alias: Number(alias) } : {}) };
  }
  return chosen;
}

function readPorts({ ports }: Service): Chosen {
  const chosen: Chosen = {};
  for (const protocol of PROTOCOLS)
    for (const key of ['main', 'alias'] as const) {
      const number = ports.find(({ name }) => name === PORT_NAMES[protocol][key])?.port;
      if (number !== undefined) chosen[protocol] = { ...chosen[protocol], [key]: number };
    }
  return chosen;
}

/** Spring says `secure` in the meta from 3.0 on, and in a tag before. */
function isSecure({ meta, tags }: ServiceInstance): boolean {
  return meta.get('secure') === 'true' || tags.includes('secure=true');
}

/** As the API server wants it, or it refuses the whole Service: a name, perhaps behind a DNS subdomain. */
const QUALIFIED_NAME =
  /^((?=[^/]{1,253}\/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/**
 * What is declared, else of TCP what Spring's `secure` says; nothing when nobody says anything. That it is UDP the port says
 * already.
 */
function chooseAppProtocol(instances: readonly ServiceInstance[], protocol: InstanceProtocol): string {
  const spoken = instances.map((instance) => {
    const { meta, tags } = instance;
    const declared = declaredProtocol(instance);
    if (protocol === 'UDP' && declared.toLowerCase() === 'udp') return '';
    if (QUALIFIED_NAME.test(declared)) return declared;
    if (protocol === 'UDP') return '';
    const secure = meta.get('secure') ?? tags.find((tag) => tag.startsWith('secure='))?.slice('secure='.length);
    return secure === 'true' ? 'https' : secure === 'false' ? 'http' : '';
  });
  return mostCommon(spoken.filter((protocol) => protocol !== '')) ?? '';
}

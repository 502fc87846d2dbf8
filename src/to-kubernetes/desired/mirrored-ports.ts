import type { ServiceInstance } from '../../consul/types.ts';
import type { Service } from '../../kubernetes/objects.ts';
import { ANNOTATION } from '../../mark.ts';
import { mostCommon, saidByMost } from './majority.ts';

export interface MirroredPorts {
  /** The port of a URL that names none. */
  readonly main: number;
  /** The port that most instances use, so that URLs with a port keep working; undefined when it is off or the same. */
  readonly alias: number | undefined;
}

export interface PortsConfig {
  readonly port: number;
  readonly aliasPort: boolean;
}

/** Ports of a Service are one name for ever: clients of named ports and Istio's routes depend on it. */
export const MAIN_PORT = 'main';
export const ALIAS_PORT = 'alias';
const SECURE_PORT = 443;

/**
 * Sticky: a number that a Service has stays, or routes and URLs would break with the next instance. Only a number that was
 * chosen without an endpoint is chosen anew, with the first.
 *
 * | Service         | main                                                                        | alias                              |
 * |-----------------|-----------------------------------------------------------------------------|------------------------------------|
 * | with a ClusterIP | the setting; 443 if most instances were secure when it was made            | what most used, unless switched off |
 * | headless        | what most used: who resolves its name calls the instances at their own port | none                               |
 */
export function choosePorts(
  foreign: readonly ServiceInstance[],
  config: PortsConfig,
  observed: Service | undefined,
  headless: boolean,
): MirroredPorts {
  const chosen = observedPorts(observed);
  const used = mostCommon(foreign.map(({ port }) => port).filter(isPort));
  if (headless) return { main: chosen.main ?? used ?? config.port, alias: undefined };
  const main =
    chosen.main === config.port || chosen.main === SECURE_PORT
      ? chosen.main
      : saidByMost(foreign, isSecure)
        ? SECURE_PORT
        : config.port;
  const alias = config.aliasPort ? (chosen.alias ?? used) : undefined;
  return { main, alias: alias === main ? undefined : alias };
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/**
 * As it is remembered beside the ports themselves, so that an edit of those can be told from a choice and is repaired.
 * @param isGuess true when no instance was an endpoint, which a question mark says
 */
export function portChoice({ main, alias }: MirroredPorts, isGuess = false): string {
  return `${alias === undefined ? String(main) : `${main},${alias}`}${isGuess ? '?' : ''}`;
}

/** True for a Service that is still to be made, or was made when no instance was an endpoint, and never had one since. */
export function isGuess(observed: Service | undefined): boolean {
  return !observed || (observed.annotations.get(ANNOTATION.portChoice) ?? '').endsWith('?');
}

function observedPorts(observed: Service | undefined): {
  readonly main?: number | undefined;
  readonly alias?: number | undefined;
} {
  const [, main, alias] =
    /^(\d{1,5})(?:,(\d{1,5}))?\??$/.exec(observed?.annotations.get(ANNOTATION.portChoice) ?? '') ?? [];
  const numbers = [main, alias].map((number) => (number === undefined ? undefined : Number(number)));
  if (main !== undefined && numbers.every((number) => number === undefined || isPort(number)))
    return { main: numbers[0], alias: numbers[1] };
  const numberOf = (name: string) => observed?.ports.find((port) => port.name === name)?.port;
  return { main: numberOf(MAIN_PORT), alias: numberOf(ALIAS_PORT) };
}

/** Spring says `secure` in the meta from 3.0 on, and in a tag before. */
function isSecure({ meta, tags }: ServiceInstance): boolean {
  return meta.get('secure') === 'true' || tags.includes('secure=true');
}

/** As the API server wants it, or it refuses the whole Service: a name, perhaps behind a DNS subdomain. */
const QUALIFIED_NAME =
  /^((?=[^/]{1,253}\/)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** Meta `protocol`, else a tag `protocol=`, else what Spring's `secure` says; nothing when nobody says anything. */
export function chooseAppProtocol(foreign: readonly ServiceInstance[]): string {
  const spoken = foreign.map(({ meta, tags }) => {
    const declared =
      meta.get('protocol') ?? tags.find((tag) => tag.startsWith('protocol='))?.slice('protocol='.length) ?? '';
    if (QUALIFIED_NAME.test(declared)) return declared;
    const secure = meta.get('secure') ?? tags.find((tag) => tag.startsWith('secure='))?.slice('secure='.length);
    return secure === 'true' ? 'https' : secure === 'false' ? 'http' : '';
  });
  return mostCommon(spoken.filter((protocol) => protocol !== '')) ?? '';
}

import { evaluateEnvironment } from '../../kubernetes/environment.ts';
import type { Container, EnvVar, Pod } from '../../kubernetes/objects.ts';
import { quote, type Rejection } from '../registration/rejection.ts';
import { isInjected } from './default-port.ts';

/**
 * The variables `SERVICE_*` that registrator read from containers, for teams that come from it:
 *
 * - `SERVICE_<KEY>` is for all ports of its container, `SERVICE_<port>_<KEY>` for one, and replaces the other. The prefix
 *   is upper case, the key in any case; of two equal keys the later one counts. A container knows nothing of another.
 * - `NAME` names the Consul service. Where a container has several ports, a name that is not of one port gets `-<port>`.
 * - `IGNORE` with any value, `false` too, leaves a port out. `TAGS` is as in `tagsOf`. `ID` is not honoured, because an ID of
 *   Consular's says which pod the instance is. `CHECK_*` are not used, because Consul runs no checks for what has no agent:
 *   the readiness of the pod takes their place. All other keys are meta, in lower case.
 * - An empty value is none. Blanks and line breaks at both ends of a value go.
 *
 * Registrator looked into the running container. Here is only the Pod, without what the image sets and exposes:
 *
 * | port                                                  | counts      |
 * |-------------------------------------------------------|-------------|
 * | in the container's `ports`                            | yes         |
 * | in `SERVICE_<port>_NAME` or `SERVICE_<port>_IGNORE`   | yes: only a port that is exposed is named or ignored |
 * | in another `SERVICE_<port>_<KEY>`                     | yes, if the container lists no ports; else the list is believed |
 *
 * The ports that count decide on `-<port>`, ignored or not; those that have a name and are not ignored are registered.
 */
export function registratorServices(pod: Pod, { explicit, injected = [] }: RegistratorOptions): RegistratorServices {
  const count = pod.containers.reduce((sum, { env }) => sum + env.filter(isOurs).length, 0);
  if (count > MOST_VARIABLES) return tooMany(count);
  const services: RegistratorService[] = [];
  const rejections: Rejection[] = [];
  const warnings: string[] = [];
  for (const container of pod.containers) {
    const variables = variablesOf(container, pod);
    if ((explicit || isInjected(container, injected)) && !variables.some(isName)) continue;
    const ports = candidatePorts(container, variables);
    const problem = problemOf(container, variables, ports);
    if (problem) {
      rejections.push(problem);
      continue;
    }
    const registered = ports.flatMap((port) => {
      const settings = settingsOf(variables, port.port);
      return isWanted(settings, explicit) ? [serviceOf(container, port, ports.length, settings)] : [];
    });
    services.push(...registered);
    rejections.push(...unreadableNames(container, variables, ports));
    if (registered.length > 0) warnings.push(...warningsOf(container, variables));
  }
  return { services, rejections, warnings };
}

export interface RegistratorOptions {
  /** Registrator's `-explicit`: a port without a NAME is left out, and does not get the name of the image. */
  readonly explicit: boolean;
  /** Containers that others put into the pod, as for `defaultPort`: they are explicit in any case. @default none */
  readonly injected?: readonly string[];
}

export interface RegistratorServices {
  readonly services: readonly RegistratorService[];
  readonly rejections: readonly Rejection[];
  /** What registrator would have done, and Consular does not; no reason not to register. */
  readonly warnings: readonly string[];
}

export interface RegistratorService {
  /** Whose variables these are. */
  readonly container: string;
  readonly name: string;
  readonly port: number;
  readonly udp: boolean;
  readonly tags: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
  /** Whether `CHECK_*` are set, which are not used. */
  readonly hasChecks: boolean;
}

const PREFIX = 'SERVICE_';

/** Worth keeping in memory: Consular reads no other variables, beside those that these refer to. */
export function isRegistratorVariable(name: string): boolean {
  return name.startsWith(PREFIX);
}

const isOurs = ({ name }: EnvVar) => isRegistratorVariable(name);

/** Whether a variable names a service. One that cannot be read may; an empty value is none. */
const isName = ({ key, value }: Variable) => key === 'name' && value !== '';

interface Variable {
  /** As it is written in the Pod. */
  readonly variable: string;
  /** Without prefix and port, in lower case. */
  readonly key: string;
  /** As it is written, because registrator compared the text: `08080` is no port. Empty: for all ports. */
  readonly port: string;
  /** Undefined when the Pod does not say. */
  readonly value: string | undefined;
}
/** By key. */
type PortSettings = ReadonlyMap<string, Variable>;

interface Port {
  readonly port: number;
  readonly udp: boolean;
}

function variablesOf(container: Container, pod: Pod): Variable[] {
  return evaluateEnvironment(container.env, pod).flatMap(({ name, value }) => {
    if (!isRegistratorVariable(name)) return [];
    const rest = name.slice(PREFIX.length).toLowerCase();
    const [, port = '', key = rest] = /^([+-]?\d+)_(.*)$/s.exec(rest) ?? [];
    return [{ variable: name, key, port, value: value?.trim() }];
  });
}

/** More than any application has. A Pod has room for tens of thousands, and the work is their product. */
const MOST_PORTS = 256;
const MOST_VARIABLES = 1000;

function tooMany(count: number): RegistratorServices {
  const message = `expected at most ${MOST_VARIABLES} variables SERVICE_*, found ${count}`;
  return { services: [], rejections: [{ reason: 'InvalidVariable', message }], warnings: [] };
}

function candidatePorts(container: Container, variables: readonly Variable[]): Port[] {
  const listed = container.ports.map(({ port, protocol }) => ({ port, udp: protocol === 'UDP' }));
  const numbers = new Set(listed.map(({ port }) => port));
  const named = variables
    .filter(({ key }) => listed.length === 0 || key === 'name' || key === 'ignore')
    .filter(({ port }) => Number(port) > 0 && String(Number(port)) === port && !numbers.has(Number(port)))
    .map(({ port }) => ({ port: Number(port), udp: false }));
  // 53/tcp and 53/udp are two ports, and registrator counted them as two.
  return [...new Map([...listed, ...named].map((port) => [`${port.port} ${port.udp}`, port])).values()];
}

/** Why nothing of a container can be registered although it asks for it. */
function problemOf(
  container: Container,
  variables: readonly Variable[],
  ports: readonly Port[],
): Rejection | undefined {
  if (ports.length > MOST_PORTS)
    return reject(container, 'InvalidPort', `expected at most ${MOST_PORTS} ports, found ${ports.length}`);
  const asks = variables.findLast(({ key, port }) => key === 'name' && port === '');
  if (asks?.value === '') return undefined;
  const ignored = variables.findLast(({ key, port }) => key === 'ignore' && port === '')?.value;
  if (ports.length > 0 || !asks || ignored) return undefined;
  return reject(
    container,
    'InvalidPort',
    `${quote(asks.variable)}: expected a port in the container or in a variable SERVICE_<port>_NAME, found neither; what the image exposes is not seen`,
  );
}

/** What is said for one port wins over what is said for all, in any order. */
function settingsOf(variables: readonly Variable[], port: number): PortSettings {
  const forAll = variables.filter((variable) => variable.port === '');
  const forThis = variables.filter((variable) => variable.port === String(port));
  return new Map([...forAll, ...forThis].map((variable) => [variable.key, variable]));
}

function valueOf(settings: PortSettings, key: string): string {
  return settings.get(key)?.value ?? '';
}

/** Not ignored, and with a name. A name that cannot be read is none, and the image's in its place would be wrong. */
function isWanted(settings: PortSettings, explicit: boolean): boolean {
  if (valueOf(settings, 'ignore') !== '') return false;
  return valueOf(settings, 'name') !== '' || (!explicit && !isUnreadable(settings.get('name')));
}

function isUnreadable(variable: Variable | undefined): boolean {
  return variable !== undefined && variable.value === undefined;
}

function serviceOf(
  container: Container,
  { port, udp }: Port,
  ports: number,
  settings: PortSettings,
): RegistratorService {
  const name = valueOf(settings, 'name') || imageName(container.image);
  const isOfPort = (settings.get('name')?.port ?? '') !== '';
  return {
    container: container.name,
    name: ports > 1 && !isOfPort ? `${name}-${port}` : name,
    port,
    udp,
    tags: tagsOf(valueOf(settings, 'tags'), udp),
    meta: metaOf(settings),
    hasChecks: [...settings].some(([key, { value }]) => key.startsWith('check_') && value),
  };
}

/** `orders` of `registry.example/shop/orders:1.4@sha256:...`. */
function imageName(image: string): string {
  return image.slice(image.lastIndexOf('/') + 1).replace(/[:@].*$/s, '');
}

const NO_META = /^(name|id|tags|ignore|check_.*)$/s;

function metaOf(settings: PortSettings): Map<string, string> {
  return new Map([...settings].flatMap(([key, { value }]) => (NO_META.test(key) || !value ? [] : [[key, value]])));
}

/** A comma list in which `\,` is a literal comma. Unlike in annotations, blanks belong to the tag. */
function tagsOf(list: string, udp: boolean): string[] {
  const tags = list.split(/(?<!\\),/).map((tag) => tag.replaceAll('\\,', ','));
  return [...new Set([...tags.filter((tag) => tag !== ''), ...(udp ? ['udp'] : [])])];
}

/** One for each variable, however many ports it names. */
function unreadableNames(
  container: Container,
  variables: readonly Variable[],
  ports: readonly Port[],
): readonly Rejection[] {
  const names = ports.flatMap(({ port }) => {
    const settings = settingsOf(variables, port);
    const name = settings.get('name');
    return name && isUnreadable(name) && valueOf(settings, 'ignore') === '' ? [name.variable] : [];
  });
  return [...new Set(names)].map((name) => reject(container, 'InvalidVariable', notReadable(name)));
}

function warningsOf(container: Container, variables: readonly Variable[]): string[] {
  const where = `container ${quote(container.name)}`;
  return variables.flatMap((variable) => {
    const { key, variable: name, value } = variable;
    if (key === 'id' && value !== '')
      return [`${where}: ${quote(name)} has no effect: the ID of an instance says which pod it is`];
    return key !== 'name' && isUnreadable(variable) ? [`${where}: ${notReadable(name)}`] : [];
  });
}

function reject(container: Container, reason: Rejection['reason'], problem: string): Rejection {
  return { reason, message: `container ${quote(container.name)}: ${problem}` };
}

function notReadable(variable: string): string {
  return `${quote(variable)}: expected a value in the Pod itself, found a reference to something else`;
}

import { readFileSync } from 'node:fs';
import { isObject, type JsonObject } from '../json.ts';
import { readSwitch } from '../writes.ts';
import { describeIssue, explainExpected } from './problems.ts';
import { configSchema, type Config, type Proxies } from './schema.ts';
import { readYaml } from './yaml-text.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line says instead of the file. */
export interface Overrides {
  /** Like `http://127.0.0.1:8500` or, as the consul command takes it, `127.0.0.1:8500`. */
  readonly consulAddress?: string | undefined;
  /** Empty: none, so that CONSUL_HTTP_TOKEN is used. */
  readonly tokenFile?: string | undefined;
}

/** Everything wrong with a configuration, one line a problem: place, path, what was expected, what was found. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(source: string, problems: readonly string[]) {
    super(
      `configuration ${source}: ${problems.length} problem${problems.length === 1 ? '' : 's'}\n  ${problems.join('\n  ')}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** @throws ConfigError with every problem of the file at once. */
export function loadConfig(file: string, environment: Environment, overrides: Overrides = {}): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(file, [`expected a readable file, found: ${reason}`]);
  }
  return parseConfig(text, environment, file, overrides);
}

/**
 * YAML, environment and command line to Config. The file wins over the environment, because the file is what an operator
 * reviews; the variables are those of the tools around it (consul, kubectl). The command line wins over both.
 * @throws ConfigError with every problem at once, with its line and column, or the variable or option that says it
 */
export function parseConfig(
  text: string,
  environment: Environment,
  source = 'text',
  overrides: Overrides = {},
): Config {
  const yaml = readYaml(text);
  const mistakes = yaml.mistakes.map(({ place, message }) => withPlace(place, message));
  if (!yaml.value) throw new ConfigError(source, mistakes);
  const given = withOthers(yaml.value, environment, overrides);
  const result = configSchema.safeParse(given.raw, { error: explainExpected });
  const placeOf = (path: readonly PropertyKey[], of: 'key' | 'value') =>
    given.origins.get(path.map(String).join('.')) ?? yaml.placeOf(path, of);
  const problems = (result.error?.issues ?? [])
    .flatMap((issue) => describeIssue(issue, given.raw, configSchema))
    .map(({ path, of, message }) => withPlace(placeOf(path, of), message));
  if (!result.success || mistakes.length > 0) throw new ConfigError(source, [...mistakes, ...problems]);
  const { data } = result;
  const token = environment.CONSUL_HTTP_TOKEN ?? '';
  const twice = overrides.tokenFile === undefined ? besideLogin(data.consul, token) : undefined;
  if (twice !== undefined) throw new ConfigError(source, [withPlace(placeOf(['consul', 'login'], 'key'), twice)]);
  const { annotationPrefix } = data;
  return {
    ...data,
    consul: { ...data.consul, token, proxies: proxiesOf(environment) },
    toConsul: { ...data.toConsul, annotationPrefix },
    toKubernetes: { ...data.toKubernetes, annotationPrefix },
  };
}

/**
 * Whether a text says that writes are off, whatever else is wrong with it. Whoever writes anything but on wants something to
 * stop; that stands also where the rest cannot be read as YAML.
 */
export function saysWritesOff(text: string): boolean {
  if (/^(["']?)writes\1\s*:\s*["']?(off|false)\b/im.test(text)) return true;
  const said = readYaml(text).value?.writes ?? undefined;
  return said !== undefined && readSwitch(typeof said === 'string' ? said : JSON.stringify(said)) !== undefined;
}

/** A token beside one that is made by logging in; undefined where there is no such. */
function besideLogin({ login, tokenFile }: Pick<Config['consul'], 'login' | 'tokenFile'>, token: string) {
  if (login.authMethod === '' || (tokenFile === '' && token === '')) return undefined;
  const found = tokenFile === '' ? 'CONSUL_HTTP_TOKEN' : `tokenFile ${tokenFile}`;
  return `consul.login: expected no other token beside it, found ${found}`;
}

/** In either spelling, as the `consul` command takes them. */
function proxiesOf(environment: Environment): Proxies {
  const either = (name: string) => environment[name] || environment[name.toLowerCase()] || '';
  return { http: either('HTTP_PROXY'), https: either('HTTPS_PROXY'), none: either('NO_PROXY') };
}

function withPlace(place: string | undefined, message: string): string {
  return place === undefined ? message : `${place}: ${message}`;
}

const CONSUL_VARIABLES = {
  address: 'CONSUL_HTTP_ADDR',
  tokenFile: 'CONSUL_HTTP_TOKEN_FILE',
  caFile: 'CONSUL_CACERT',
  certFile: 'CONSUL_CLIENT_CERT',
  keyFile: 'CONSUL_CLIENT_KEY',
} as const;

/** Options of the command line, by the setting of Consul's that they replace. */
const CONSUL_OPTIONS = {
  address: ['--consul-address', 'consulAddress'],
  tokenFile: ['--token-file', 'tokenFile'],
} as const;

/** What the file says, with what others say instead or beside it, and who they are, by the path of the setting. */
function withOthers(raw: JsonObject, environment: Environment, overrides: Overrides) {
  const origins = new Map<string, string>();
  const fallback: Record<string, unknown> = {};
  const asSetting = (setting: string, value: string) => (setting === 'address' ? withScheme(value) : value);
  for (const [setting, variable] of Object.entries(CONSUL_VARIABLES)) {
    const value = environment[variable];
    if (value === undefined || value === '') continue;
    fallback[setting] = asSetting(setting, value);
    if (!says(raw.consul, setting)) origins.set(`consul.${setting}`, variable);
  }
  const replaced: Record<string, unknown> = {};
  for (const [setting, [option, name]] of Object.entries(CONSUL_OPTIONS)) {
    const value = overrides[name];
    if (value === undefined) continue;
    replaced[setting] = asSetting(setting, value);
    origins.set(`consul.${setting}`, option);
  }
  const kubeconfig = environment.KUBECONFIG;
  // A section whose settings are all commented out is null, and means the defaults.
  const said = Object.fromEntries(Object.entries(raw).filter(([, section]) => section !== null));
  const consul = fillIn(raw.consul, fallback);
  return {
    origins,
    raw: {
      ...said,
      consul: isObject(consul) ? { ...consul, ...replaced } : consul,
      kubernetes: fillIn(raw.kubernetes, kubeconfig ? { kubeconfig } : {}),
    },
  };
}

function says(section: unknown, setting: string): boolean {
  return isObject(section) && Object.hasOwn(section, setting) && section[setting] !== '';
}

/** The section's own non-empty values win; a section of the wrong type stays as it is, to be reported by the schema. */
function fillIn(section: unknown, fallback: JsonObject): unknown {
  if (section === undefined || section === null) return fallback;
  if (!isObject(section)) return section;
  const said = Object.entries(section).filter(([key, value]) => value !== '' || !Object.hasOwn(fallback, key));
  // Not by assignment: the key `__proto__` is data too, and an unknown setting.
  return { ...fallback, ...Object.fromEntries(said) };
}

/** The address of a variable or an option may be `host:port`, as the consul command takes it. */
function withScheme(address: string): string {
  return address.includes('://') ? address : `http://${address}`;
}

import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument, type Document } from 'yaml';
import type * as z from 'zod';
import { describe, isObject, type JsonObject } from '../json.ts';
import { configSchema, type Config, type Proxies } from './schema.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything wrong with a configuration, one line a problem: path, what was expected, what was found. */
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
export function loadConfig(file: string, environment: Environment): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(file, [`expected a readable file, found: ${reason}`]);
  }
  return parseConfig(text, environment, file);
}

/**
 * YAML and environment to Config. The file wins over the environment, because the file is what an operator reviews;
 * the variables are those of the tools around it (consul, kubectl).
 * @throws ConfigError with every problem at once.
 */
export function parseConfig(text: string, environment: Environment, source = 'text'): Config {
  const raw = withEnvironment(parseYaml(text, source), environment);
  const result = configSchema.safeParse(raw);
  if (!result.success)
    throw new ConfigError(
      source,
      result.error.issues.flatMap((issue) => describeIssue(issue, raw)),
    );
  const { data } = result;
  const token = environment.CONSUL_HTTP_TOKEN ?? '';
  const { login, tokenFile } = data.consul;
  if (login.authMethod !== '' && (tokenFile !== '' || token !== ''))
    throw new ConfigError(source, [
      `consul.login: expected no other token beside it, found ${tokenFile === '' ? 'CONSUL_HTTP_TOKEN' : `tokenFile ${tokenFile}`}`,
    ]);
  const { annotationPrefix } = data;
  return {
    ...data,
    consul: { ...data.consul, token, proxies: proxiesOf(environment) },
    toConsul: { ...data.toConsul, annotationPrefix },
    toKubernetes: { ...data.toKubernetes, annotationPrefix },
  };
}

/** In either spelling, as the `consul` command takes them. */
function proxiesOf(environment: Environment): Proxies {
  const either = (name: string) => environment[name] || environment[name.toLowerCase()] || '';
  return { http: either('HTTP_PROXY'), https: either('HTTPS_PROXY'), none: either('NO_PROXY') };
}

function parseYaml(text: string, source: string): JsonObject {
  const lines = new LineCounter();
  const document = parseDocument(text, { uniqueKeys: true, lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      source,
      document.errors.map(
        (error) => `line ${lines.linePos(error.pos[0]).line}: expected valid YAML, found: ${error.message}`,
      ),
    );
  }
  const raw = toValue(document, source);
  if (raw === null || raw === undefined) return {};
  if (!isObject(raw))
    throw new ConfigError(source, [`(top level): expected a mapping of settings, found ${describe(raw)}`]);
  return raw;
}

/** Aliases are resolved here and not by the parser, so a wrong one is found only now. */
function toValue(document: Document.Parsed, source: string): unknown {
  try {
    // A handful of aliases is plenty for a file of this size; more is a decompression bomb.
    return document.toJS({ maxAliasCount: 10 });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(source, [`(top level): expected valid YAML, found: ${reason}`]);
  }
}

const CONSUL_VARIABLES = {
  address: 'CONSUL_HTTP_ADDR',
  tokenFile: 'CONSUL_HTTP_TOKEN_FILE',
  caFile: 'CONSUL_CACERT',
  certFile: 'CONSUL_CLIENT_CERT',
  keyFile: 'CONSUL_CLIENT_KEY',
} as const;

function withEnvironment(raw: JsonObject, environment: Environment): JsonObject {
  const consul: Record<string, unknown> = {};
  for (const [setting, variable] of Object.entries(CONSUL_VARIABLES)) {
    const value = environment[variable];
    if (value !== undefined && value !== '') consul[setting] = setting === 'address' ? withScheme(value) : value;
  }
  const kubeconfig = environment.KUBECONFIG;
  // A section whose settings are all commented out is null, and means the defaults.
  const said = Object.fromEntries(Object.entries(raw).filter(([, section]) => section !== null));
  return {
    ...said,
    consul: fillIn(raw.consul, consul),
    kubernetes: fillIn(raw.kubernetes, kubeconfig ? { kubeconfig } : {}),
  };
}

/** The section's own non-empty values win; a section of the wrong type stays as it is, to be reported by the schema. */
function fillIn(section: unknown, fallback: JsonObject): unknown {
  if (section === undefined || section === null) return fallback;
  if (!isObject(section)) return section;
  const said = Object.entries(section).filter(([key, value]) => value !== '' || !Object.hasOwn(fallback, key));
  // Not by assignment: the key `__proto__` is data too, and an unknown setting.
  return { ...fallback, ...Object.fromEntries(said) };
}

/** CONSUL_HTTP_ADDR may be `host:port`, as the consul command takes it. */
function withScheme(address: string): string {
  return address.includes('://') ? address : `http://${address}`;
}

function describeIssue(issue: z.core.$ZodIssue, raw: JsonObject): string[] {
  const path = issue.path.map(String);
  const where = path.length > 0 ? path.join('.') : '(top level)';
  const found = withoutCredentials(describe(valueAt(raw, path)));
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => `${[...path, key].join('.')}: expected a known setting, found an unknown one`);
    case 'invalid_type':
      return [`${where}: expected ${article(issue.expected)}, found ${found}`];
    case 'invalid_value':
      return [`${where}: expected ${issue.values.map((value) => String(value)).join(' or ')}, found ${found}`];
    case 'too_small':
      return [
        `${where}: expected at least ${String(issue.minimum)}${issue.origin === 'array' ? ' entry' : ''}, found ${found}`,
      ];
    case 'too_big':
      return [
        `${where}: expected at most ${String(issue.maximum)}${issue.origin === 'string' ? ' characters' : ''}, found ${found}`,
      ];
    default:
      return [`${where}: expected ${issue.message}, found ${found}`];
  }
}

/** A URL is refused for its credentials, and must not be shown with them. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/@]*@/g, '//...@');
}

function article(type: string): string {
  if (type === 'int') return 'a whole number';
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`;
}

function valueAt(raw: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined),
    raw,
  );
}

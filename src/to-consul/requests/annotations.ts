import { type Rejection, quote } from '../registration/rejection.ts';

/**
 * Annotations on pods and on Services: what a team writes to be in Consul. `consul.hashicorp.com/` is accepted for the
 * keys that consul-k8s has, so that a team can move without touching its manifests; where both are set, ours wins.
 */
export const PREFIX = 'consular.dev/';
export const ALIAS_PREFIX = 'consul.hashicorp.com/';

/** Worth keeping in memory: Consular reads no other annotations of pods and Services. */
export function isOurAnnotation(key: string): boolean {
  return key.startsWith(PREFIX) || key.startsWith(`${ALIAS_PREFIX}service-`);
}

/** What can be said for all ports or, as `<key>.<port>`, for one. */
export interface PortSettings {
  readonly serviceName?: string;
  readonly tags?: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
}

export interface Settings extends PortSettings {
  readonly sync?: boolean;
  readonly port?: string;
  readonly weight?: number;
  readonly notReady?: 'deregister' | 'critical';
  /** By name or number of the port, as written. */
  readonly ports: ReadonlyMap<string, PortSettings>;
}

export interface ParsedAnnotations {
  readonly settings: Settings;
  readonly rejections: readonly Rejection[];
}

const META_KEY = 'service-meta-';
/** Keys that may be said for one port. */
const PORT_KEY = /^(service-name|service-tags|service-meta-[^.]*)\.(.*)$/s;
/** A port's name (RFC 6335). */
const PORT_NAME = /^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/;
const PORT_EXPECTED = 'the name of a port, or a number from 1 to 65535 without leading zeros,';
/** Keys of ours that other parts of Consular read. Only a Service can take instances in: on a pod those keys are unknown. */
const OTHER_KEYS: Readonly<Record<'pod' | 'service', ReadonlySet<string>>> = {
  pod: new Set(['consul-service']),
  service: new Set(['consul-service', 'import', 'import-port']),
};

export const NO_SETTINGS: Settings = { meta: new Map(), ports: new Map() };
const NOTHING: ParsedAnnotations = { settings: NO_SETTINGS, rejections: [] };

/** @param on the kind of the object that carries them */
export function parseAnnotations(
  annotations: ReadonlyMap<string, string>,
  on: 'pod' | 'service' = 'pod',
): ParsedAnnotations {
  if (annotations.size === 0) return NOTHING;
  const rejections: Rejection[] = [];
  const all = new Draft();
  const ports = new Map<string, Draft>();
  for (const [key, value] of withoutPrefix(annotations)) {
    if (OTHER_KEYS[on].has(key)) continue;
    const [, general = key, port] = PORT_KEY.exec(key) ?? [];
    if (port === undefined) all.take(key, value, annotations.has(PREFIX + key), rejections);
    else if (!isPort(port))
      rejections.push(
        invalid(`annotation ${quote(key)}: expected ${PORT_EXPECTED} after the dot, found ${quote(port)}`),
      );
    else {
      let draft = ports.get(port);
      if (!draft) ports.set(port, (draft = new Draft()));
      draft.take(general, value, true, rejections);
    }
  }
  const perPort = [...ports].map(([port, draft]) => [port, draft.settings()] as const);
  return { settings: { ...all.settings(), ports: new Map(perPort) }, rejections };
}

/** Names have a letter. Numbers are compared as they are written: another spelling would be said of no port at all. */
function isPort(text: string): boolean {
  if (!/^\d+$/.test(text)) return PORT_NAME.test(text);
  const port = Number(text);
  return port >= 1 && port <= 65_535 && String(port) === text;
}

/** Keys without their prefix; where both prefixes are there, ours wins. */
function withoutPrefix(annotations: ReadonlyMap<string, string>): Map<string, string> {
  const values = new Map<string, string>();
  for (const prefix of [ALIAS_PREFIX, PREFIX])
    for (const [key, value] of annotations) if (key.startsWith(prefix)) values.set(key.slice(prefix.length), value);
  return values;
}

const invalid = (message: string): Rejection => ({ reason: 'InvalidAnnotation', message });

/** Settings as they are gathered, key by key. */
class Draft {
  readonly #settings: Omit<Settings, 'meta' | 'ports'> = {};
  readonly #meta = new Map<string, string>();

  /** @param isOurs false for a key that only has the alias prefix, which is consul-k8s' to know */
  take(key: string, value: string, isOurs: boolean, rejections: Rejection[]): void {
    const parse = Object.hasOwn(parsers, key) ? parsers[key as keyof typeof parsers] : undefined;
    if (key.startsWith(META_KEY)) this.#meta.set(key.slice(META_KEY.length), value);
    else if (parse) Object.assign(this.#settings, accept(key, value, parse(value), rejections));
    else if (isOurs) rejections.push(invalid(`annotation ${quote(PREFIX + key)} is not one that Consular knows`));
  }

  settings(): Omit<Settings, 'ports'> {
    return { ...this.#settings, meta: this.#meta };
  }
}

/** Each parser gives the setting, or the words for what it expected. */
type Parser = (value: string) => Partial<Settings> | string;

const parsers = {
  'service-name': (value) => ({ serviceName: value.trim() }),
  'service-sync': (value) => (value === 'true' || value === 'false' ? { sync: value === 'true' } : '"true" or "false"'),
  'service-port': (value) => ({ port: value }),
  'service-tags': (value) => ({ tags: parseTags(value) }),
  'service-weight': (value) =>
    /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65_535
      ? { weight: Number(value) }
      : 'a number from 1 to 65535',
  'not-ready': (value) =>
    value === 'deregister' || value === 'critical' ? { notReady: value } : '"deregister" or "critical"',
} satisfies Record<string, Parser>;

function accept(
  key: string,
  value: string,
  parsed: Partial<Settings> | string,
  rejections: Rejection[],
): Partial<Settings> {
  if (typeof parsed !== 'string') return parsed;
  rejections.push(invalid(`annotation ${key}: expected ${parsed}, found ${quote(value)}`));
  return {};
}

/** A comma list: blanks around items go, empty items go, `\,` is a literal comma, the second of two equal ones goes. */
export function parseTags(value: string): string[] {
  const items: string[] = [''];
  for (let i = 0; i < value.length; i++) {
    if (value[i] === '\\' && value[i + 1] === ',') items[items.length - 1] += value[++i] ?? '';
    else if (value[i] === ',') items.push('');
    else items[items.length - 1] += value[i] ?? '';
  }
  return [...new Set(items.map((item) => item.trim()).filter((item) => item !== ''))];
}

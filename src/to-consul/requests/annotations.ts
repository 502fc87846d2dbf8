import { hintForAnnotation, isImportKey } from '../../annotation-keys.ts';
import { ANNOTATION, DEFAULT_ANNOTATION_PREFIX } from '../../mark.ts';
import { nearest } from '../../spelling.ts';
import { type Rejection, quote } from '../registration/rejection.ts';

/**
 * Annotations on pods and on Services: what a team writes to be in Consul, under the prefix of the settings
 * (`annotationPrefix`). With the prefix of the defaults `consul.hashicorp.com/` is accepted too for the keys that consul-k8s
 * has, so that a team can move without touching its manifests; where both are set, ours wins. With another prefix it is not:
 * of two installations in one cluster both would take what it asks for.
 */
const ALIAS_PREFIX = 'consul.hashicorp.com/';
const ALIAS_SERVICE = `${ALIAS_PREFIX}service-`;

/** The beginnings of keys that ask for something, ours last. @param annotationPrefix as in the settings, without the slash */
function prefixesOf(annotationPrefix: string): string[] {
  return [...(annotationPrefix === DEFAULT_ANNOTATION_PREFIX ? [ALIAS_PREFIX] : []), `${annotationPrefix}/`];
}

/** Worth keeping in memory: to-consul reads no other annotations of pods and Services. */
export function isOurAnnotation(key: string, annotationPrefix: string): boolean {
  if (key.startsWith(annotationPrefix)) return key[annotationPrefix.length] === '/';
  return annotationPrefix === DEFAULT_ANNOTATION_PREFIX && key.startsWith(ALIAS_SERVICE);
}

/** The same key with our prefix, for one with the other prefix that is accepted. */
export function ourSpelling(key: string, annotationPrefix: string): string {
  return key.startsWith(ALIAS_PREFIX) ? `${annotationPrefix}/${key.slice(ALIAS_PREFIX.length)}` : key;
}

/** What can be said for all ports or, as `<key>.<port>`, for one. */
export interface PortSettings {
  readonly serviceName?: string;
  readonly tags?: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
}

export interface SettingsOfPort extends PortSettings {
  /** The annotations that say it, with their prefixes: for messages. */
  readonly keys: readonly string[];
}

export interface Settings extends PortSettings {
  readonly sync?: boolean;
  readonly port?: string;
  readonly weight?: number;
  readonly notReady?: 'deregister' | 'critical';
  /** By name or number of the port, as written. */
  readonly ports: ReadonlyMap<string, SettingsOfPort>;
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
/** Keys of what Consular itself writes: they stay on a mirrored Service that was let go. */
const WRITTEN_KEYS: ReadonlySet<string> = new Set(
  Object.values(ANNOTATION).filter((key) => key.startsWith(`${DEFAULT_ANNOTATION_PREFIX}/`)),
);

/** Of the Lease: on anything else they say nothing. */
const LEASE_KEYS: ReadonlySet<string> = new Set([
  ANNOTATION.epoch,
  ANNOTATION.nonce,
  ANNOTATION.release,
  ANNOTATION.released,
  ANNOTATION.writes,
]);

/** Keys of a Service that others judge: what Consular itself wrote there, and what a Service takes in. */
function isOthers(key: string, { key: written }: Pick<Written, 'key'>, on: 'pod' | 'service'): boolean {
  if (on === 'pod' || written.startsWith(ALIAS_PREFIX)) return false;
  return (WRITTEN_KEYS.has(written) && !LEASE_KEYS.has(written)) || isImportKey(key);
}

/** Keys with our prefix that are about what is registered, known or not, as they are written. */
export function registeringKeys(
  annotations: ReadonlyMap<string, string>,
  annotationPrefix: string,
  on: 'pod' | 'service',
): string[] {
  const prefix = `${annotationPrefix}/`;
  return [...annotations.keys()].filter(
    (key) => key.startsWith(prefix) && !isOthers(key.slice(prefix.length), { key }, on),
  );
}

export const NO_SETTINGS: Settings = { meta: new Map(), ports: new Map() };
const NOTHING: ParsedAnnotations = { settings: NO_SETTINGS, rejections: [] };

/**
 * @param annotationPrefix of the settings, without the slash
 * @param on the kind of the object that carries them
 */
export function parseAnnotations(
  annotations: ReadonlyMap<string, string>,
  annotationPrefix: string,
  on: 'pod' | 'service' = 'pod',
): ParsedAnnotations {
  if (annotations.size === 0) return NOTHING;
  const rejections: Rejection[] = [];
  const all = new Draft();
  const ports = new Map<string, Draft>();
  for (const [key, written] of withoutPrefix(annotations, annotationPrefix)) {
    if (isOthers(key, written, on)) continue;
    const [, general = key, port] = PORT_KEY.exec(key) ?? [];
    if (port === undefined) all.take(key, written, on, rejections);
    else if (!isPort(port)) rejections.push(invalid(notOfPort([written.key], PORT_EXPECTED, port)));
    else {
      let draft = ports.get(port);
      if (!draft) ports.set(port, (draft = new Draft()));
      draft.take(general, written, on, rejections);
    }
  }
  const perPort = [...ports].map(([port, draft]) => [port, draft.settingsOfPort()] as const);
  return { settings: { ...all.settings(), ports: new Map(perPort) }, rejections };
}

/** As many annotations are named in one message. */
const MOST_NAMED = 3;

/** What is wrong with annotations for one port. @param expected what stands behind the dot of a right one */
export function notOfPort(keys: readonly string[], expected: string, port: string): string {
  const more = keys.length > MOST_NAMED ? ` and ${keys.length - MOST_NAMED} more` : '';
  const named = keys.slice(0, MOST_NAMED).map(quote).join(', ');
  const isMeta = keys.some((key) => key.includes(`/${META_KEY}`));
  const hint = isMeta ? '; keys of meta have no dots in Consul' : '';
  const annotations = keys.length === 1 ? 'annotation' : 'annotations';
  return `${annotations} ${named}${more}: expected ${expected} after the dot, found ${quote(port)}${hint}`;
}

/** Names have a letter. Numbers are compared as they are written: another spelling would be said of no port at all. */
function isPort(text: string): boolean {
  if (!/^\d+$/.test(text)) return PORT_NAME.test(text);
  const port = Number(text);
  return port >= 1 && port <= 65_535 && String(port) === text;
}

/** An annotation as somebody wrote it, but for blanks and line breaks at the ends of its value, as YAML leaves them. */
interface Written {
  /** With its prefix. */
  readonly key: string;
  readonly value: string;
}

/** By their keys without prefix; where both prefixes are there, ours wins. */
function withoutPrefix(annotations: ReadonlyMap<string, string>, annotationPrefix: string): Map<string, Written> {
  const written = new Map<string, Written>();
  for (const prefix of prefixesOf(annotationPrefix))
    for (const [key, value] of annotations)
      if (key.startsWith(prefix)) written.set(key.slice(prefix.length), { key, value: value.trim() });
  return written;
}

const invalid = (message: string): Rejection => ({ reason: 'InvalidAnnotation', message });

/** Settings as they are gathered, key by key. */
class Draft {
  readonly #settings: Omit<Settings, 'meta' | 'ports'> = {};
  readonly #meta = new Map<string, string>();
  readonly #keys: string[] = [];

  /** @param key without prefix and port */
  take(key: string, written: Written, on: 'pod' | 'service', rejections: Rejection[]): void {
    const parse = Object.hasOwn(parsers, key) ? parsers[key as keyof typeof parsers] : undefined;
    const isOurs = !written.key.startsWith(ALIAS_PREFIX);
    this.#keys.push(written.key);
    if (key.startsWith(META_KEY)) this.#meta.set(key.slice(META_KEY.length), written.value);
    else if (parse) Object.assign(this.#settings, accept(written, parse(written.value, !isOurs), rejections));
    // A key with the other prefix is consul-k8s' to know.
    else if (isOurs) rejections.push(unknown(key, written.key, on));
  }

  settings(): Omit<Settings, 'ports'> {
    return { ...this.#settings, meta: this.#meta };
  }

  settingsOfPort(): SettingsOfPort {
    return { ...this.#settings, meta: this.#meta, keys: this.#keys };
  }
}

function unknown(key: string, written: string, on: 'pod' | 'service'): Rejection {
  const why = WRITTEN_KEYS.has(written)
    ? ` is for what Consular itself writes, and says nothing on a ${on === 'pod' ? 'pod' : 'Service'}`
    : ` is not one that Consular knows${hintForAnnotation(key, on)}`;
  return invalid(`annotation ${quote(written)}${why}`);
}

/**
 * Each parser gives the setting, or the words for what it expected.
 * @param isAlias whether it stands behind the prefix of consul-k8s, whose users know another meaning of some values
 */
type Parser = (value: string, isAlias: boolean) => Partial<Settings> | string;

/** What Go's strconv.ParseBool takes, with which consul-k8s reads `service-sync`. */
const GO_BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false] as const),
]);
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

function parseSync(value: string, isAlias: boolean): Partial<Settings> | string {
  const sync = (isAlias ? GO_BOOLEANS : BOOLEANS).get(value);
  return sync === undefined ? '"true" or "false"' : { sync };
}

const parsers = {
  'service-name': (value) => ({ serviceName: value }),
  'service-sync': parseSync,
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
  { key, value }: Written,
  parsed: Partial<Settings> | string,
  rejections: Rejection[],
): Partial<Settings> {
  if (typeof parsed !== 'string') return parsed;
  const hint = likelyValue(parsed, value);
  rejections.push(invalid(`annotation ${quote(key)}: expected ${parsed}, found ${quote(value)}${hint}`));
  return {};
}

/** Words for what is likely to be meant among the quoted values that are expected. */
function likelyValue(expected: string, value: string): string {
  const choices = [...expected.matchAll(/"([^"]+)"/g)].map(([, choice = '']) => choice);
  const truth = /^(yes|on|1|t)$/i.test(value) ? 'true' : /^(no|off|0|f)$/i.test(value) ? 'false' : value;
  const likely = nearest(truth, choices);
  return likely === undefined ? '' : `; did you mean "${likely}"?`;
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

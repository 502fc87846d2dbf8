import { escapeControls } from '../json.ts';

/**
 * Annotations on pods and on Services: what a team writes to be in Consul. `consul.hashicorp.com/` is accepted for the
 * keys that consul-k8s has, so that a team can move without touching its manifests; where both are set, ours wins.
 */
export const PREFIX = 'consular.dev/';
const ALIAS_PREFIX = 'consul.hashicorp.com/';

/** Worth keeping in memory: the only annotations that anybody here reads. */
export function isOurAnnotation(key: string): boolean {
  return key.startsWith(PREFIX) || key.startsWith(`${ALIAS_PREFIX}service-`);
}

/** User input that cannot be honoured: what the Event, the log and the metric say. */
export interface Rejection {
  readonly reason:
    | 'InvalidAnnotation'
    | 'InvalidServiceName'
    | 'InvalidPort'
    | 'InvalidVariable'
    | 'InvalidMeta'
    | 'ReservedName'
    | 'NoPod'
    | 'NodeConflict'
    | 'HostNetwork';
  /** One sentence for the person who can fix it. */
  readonly message: string;
}

export interface Settings {
  readonly serviceName?: string;
  readonly sync?: boolean;
  readonly port?: string;
  readonly tags?: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
  readonly weight?: number;
  readonly notReady?: 'deregister' | 'critical';
}

export interface ParsedAnnotations {
  readonly settings: Settings;
  readonly rejections: readonly Rejection[];
}

const META_KEY = 'service-meta-';
/** Ours, but of other parts of Consular. */
const OTHER_KEYS = new Set(['consul-service']);

const NOTHING: ParsedAnnotations = { settings: { meta: new Map() }, rejections: [] };

export function parseAnnotations(annotations: ReadonlyMap<string, string>): ParsedAnnotations {
  if (annotations.size === 0) return NOTHING;
  const values = new Map<string, string>();
  for (const [key, value] of annotations)
    if (key.startsWith(ALIAS_PREFIX)) values.set(key.slice(ALIAS_PREFIX.length), value);
  for (const [key, value] of annotations) if (key.startsWith(PREFIX)) values.set(key.slice(PREFIX.length), value);
  const rejections: Rejection[] = [];
  const settings: { -readonly [K in keyof Settings]: Settings[K] } = { meta: new Map() };
  const meta = new Map<string, string>();
  for (const [key, value] of values) {
    const parse = Object.hasOwn(parsers, key) ? parsers[key as keyof typeof parsers] : undefined;
    if (key.startsWith(META_KEY)) meta.set(key.slice(META_KEY.length), value);
    else if (parse) Object.assign(settings, accept(key, value, parse(value), rejections));
    else if (!OTHER_KEYS.has(key) && annotations.has(PREFIX + key)) {
      rejections.push({
        reason: 'InvalidAnnotation',
        message: `annotation ${quote(PREFIX + key)} is not one that Consular knows`,
      });
    }
  }
  settings.meta = meta;
  return { settings, rejections };
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
  rejections.push({
    reason: 'InvalidAnnotation',
    message: `annotation ${key}: expected ${parsed}, found ${quote(value)}`,
  });
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

/** User text for messages: quoted, escaped, shortened. */
export function quote(value: string): string {
  const escaped = escapeControls(JSON.stringify(value.slice(0, 128)));
  return value.length > 128 ? `${escaped} (shortened)` : escaped;
}

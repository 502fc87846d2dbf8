import { nearest } from './spelling.ts';

/**
 * The keys that people write behind `consular.dev/` on pods and Services. Who writes another one most likely meant one of
 * these, and whoever judges that key says so: what a Service takes in is judged by to-kubernetes, all else by to-consul.
 */
const REGISTERING = ['service-name', 'service-sync', 'service-port', 'service-tags', 'service-weight', 'not-ready'];
const IMPORTING = ['import', 'import-port'];
const META = 'service-meta';
/** Keys that may be said for one port. */
const OF_PORTS: ReadonlySet<string> = new Set(['service-name', 'service-tags']);

/** Whether a key says what a Service takes in, or was most likely meant to. @param key without prefix */
export function isImportKey(key: string): boolean {
  if (key.startsWith('import')) return true;
  return !REGISTERING.includes(key) && !key.startsWith(META) && IMPORTING.includes(meantKey(key, 'service') ?? '');
}

/**
 * What to say of a key that nobody knows.
 * @param key without prefix
 * @param on the kind of the object that carries it
 * @returns words that follow those for what is wrong; empty where there is no telling what was meant
 */
export function hintForAnnotation(key: string, on: 'pod' | 'service'): string {
  if (on === 'pod' && IMPORTING.includes(key)) return ': it is for Services';
  const [general = key] = key.split('.', 1);
  const port = key.slice(general.length);
  const near = meantKey(general, on);
  if (near === undefined) return '';
  // Of meta no port can be said for all keys: `service-meta.version` is most likely one of them.
  if (near === META) return `; did you mean "${META}-${port === '' ? 'KEY' : port.slice(1)}"?`;
  if (port === '' || OF_PORTS.has(near) || near.startsWith(`${META}-`)) return `; did you mean "${near}${port}"?`;
  return `; did you mean "${near}", which is for all ports?`;
}

/** `service-nmae`, `name` and `ServiceName` are all `service-name`; of meta what stands behind it stays, `service-meta` if nothing. */
export function meantKey(key: string, on: 'pod' | 'service'): string | undefined {
  const registering = [...REGISTERING, META];
  const known = on === 'service' ? [...registering, ...IMPORTING] : registering;
  const whole = nearest(key, known) ?? nearest(`service-${key}`, registering);
  if (whole !== undefined && whole !== META) return whole;
  const [first = '', ...others] = key.split('-');
  const [word = '', ...rest] = nearest(first, ['service']) === undefined ? [first, ...others] : others;
  const metaKey = rest.join('-');
  if (metaKey !== '' && metaKey.length <= LONGEST_SHOWN && nearest(word, ['meta']) !== undefined)
    return `${META}-${metaKey}`;
  return whole;
}

/** The API server has no longer names behind a prefix. */
const LONGEST_SHOWN = 63;

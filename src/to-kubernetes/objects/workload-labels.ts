import { selects, type Patterns } from '../../config/pattern.ts';
import type { ServiceInstance } from '../../consul/types.ts';

/** Without a prefix: those that have one (security.istio.io/tlsMode) tell Istio what to do, and are not for users of Consul. */
const KEY = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const VALUE = KEY;
/** The name of the service in Istio's telemetry, and the Service's own to set. */
export const APP_LABEL = 'app';
/** A WorkloadEntry may have 256; an instance with more tags than this means something else by them. */
const MOST_LABELS = 64;

/**
 * What an instance says of itself, as labels: its meta, and its tags like `version=v2` or `version|v2`; the meta wins,
 * then the first tag. A text that is no label is left out: cut or changed, it could become equal to another.
 * @param allowed keys that may become labels
 */
export function labelsOf({ meta, tags }: ServiceInstance, allowed: Patterns): Map<string, string> {
  const labels = new Map<string, string>();
  for (const [key, value] of [...meta, ...tags.flatMap(pairOf)]) {
    if (labels.size >= MOST_LABELS) break;
    if (labels.has(key) || key === APP_LABEL || !KEY.test(key) || !VALUE.test(value)) continue;
    if (selects(allowed, key)) labels.set(key, value);
  }
  return labels;
}

function pairOf(tag: string): [string, string][] {
  const at = tag.search(/[=|]/);
  return at < 0 ? [] : [[tag.slice(0, at), tag.slice(at + 1)]];
}

/**
 * Where an instance is, in Istio's form region/zone/subzone: `{region}/{zone}` with its meta put in. It ends before the
 * first part of which the instance says nothing, because a wrong place would shift traffic in silence.
 */
export function localityOf({ meta }: ServiceInstance, template: string): string {
  const parts: string[] = [];
  for (const part of template.split('/')) {
    const values = [...part.matchAll(PLACEHOLDER)].map(([, key = '']) => meta.get(key) ?? '');
    if (part === '' || !values.every((value) => VALUE.test(value))) break;
    parts.push(part.replace(PLACEHOLDER, () => values.shift() ?? ''));
  }
  return parts.join('/');
}

/** A DNS subdomain, as the name of a service account is. */
const SERVICE_ACCOUNT = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

/**
 * The service account whose certificate the sidecar of an instance shows; empty for an instance without one, and for a text that is no name.
 * @param key of its meta; empty when nobody may say that
 */
export function serviceAccountOf({ meta }: ServiceInstance, key: string): string {
  const name = meta.get(key) ?? '';
  return key !== '' && SERVICE_ACCOUNT.test(name) ? name : '';
}

const PLACEHOLDER = /\{([^{}]*)\}/g;

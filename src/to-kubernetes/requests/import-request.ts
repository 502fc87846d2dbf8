import { hintForAnnotation, isImportKey, meantKey } from '../../annotation-keys.ts';
import { isReadableName } from '../../consul/readable-name.ts';
import { describe } from '../../json.ts';
import type { Service, ServicePort } from '../../kubernetes/objects.ts';
import { isMarkedObject } from '../../mark.ts';
import { isNeverMirrored } from './selection.ts';
import { problem, type Problem } from '../problem.ts';
import { trafficPolicies } from './traffic-policy.ts';

/** What somebody writes on a Service of their own: the Consul service whose instances it takes in, and the port they are behind. */
export interface ImportKeys {
  readonly service: string;
  readonly port: string;
}

/** The annotations that say it. @param annotationPrefix as in the settings, without the slash */
export function importKeys(annotationPrefix: string): ImportKeys {
  return { service: `${annotationPrefix}/import`, port: `${annotationPrefix}/import-port` };
}

export interface ImportConfig {
  readonly annotationPrefix: string;
  readonly importNamespaces: readonly string[];
}

/** Whether the Service asks for instances of a Consul service, whether or not it may have them. */
export function asksForInstances(
  { annotations }: Pick<Service, 'annotations'>,
  { annotationPrefix }: Pick<ImportConfig, 'annotationPrefix'>,
): boolean {
  return annotations.has(importKeys(annotationPrefix).service);
}

/** Consul has names of any length; longer ones are a mistake, and make long URLs. */
const LONGEST_NAME = 255;

/**
 * What a Service asks for, judged:
 *
 * | the Service                                                                         |          | its slices of ours     |
 * |-------------------------------------------------------------------------------------|----------|------------------------|
 * | is one of Consular's, or an ExternalName; its namespace is not listed; the Consul   | denied   | none                   |
 * | service has no name, or one that never leaves Consul                                |          |                        |
 * | has an annotation that is nearly one of ours,        or a port that it does not have | unclear  | stay; dead instances go |
 * | anything else                                                                       | accepted | kept equal to Consul   |
 *
 * A mistake is no reason to take endpoints away from live callers; a Service that may not have any is.
 */
export type ImportRequest =
  | { readonly verdict: 'denied'; readonly problems: readonly Problem[] }
  | { readonly verdict: 'unclear'; readonly from: ConsulName; readonly problems: readonly Problem[] }
  | {
      readonly verdict: 'accepted';
      readonly from: ConsulName;
      readonly port: ServicePort;
      /** What has less effect than somebody may think. */
      readonly problems: readonly Problem[];
    };

export interface ConsulName {
  /** Lower case: Consul's look-ups ignore it. */
  readonly name: string;
  /** As it was written. */
  readonly spelling: string;
}

function unknownKey(key: string, prefix: string): Problem {
  const hint = hintForAnnotation(key.slice(prefix.length), 'service');
  return problem('InvalidAnnotation', `annotation ${describe(key)} is not one that Consular knows${hint}`);
}

/** Undefined for a Service that asks for nothing. */
export function importRequest(service: Service, config: ImportConfig): ImportRequest | undefined {
  const { annotationPrefix, importNamespaces } = config;
  const known = importKeys(annotationPrefix);
  const own = `${annotationPrefix}/`;
  const keys = [...service.annotations.keys()].filter(
    (key) => key.startsWith(own) && isImportKey(key.slice(own.length)),
  );
  if (keys.length === 0) return undefined;
  // `imprt: billing`: what was taken in from billing stays.
  const isMeantForName = (key: string) => meantKey(key.slice(own.length), 'service') === 'import';
  const nameKey = keys.find((key) => key === known.service) ?? keys.find(isMeantForName);
  const spelling = (service.annotations.get(nameKey ?? known.service) ?? '').trim();
  const from = { name: spelling.toLowerCase(), spelling };
  const unknown = keys.filter((key) => key !== known.service && key !== known.port).map((key) => unknownKey(key, own));
  const denied = whyDenied(service, importNamespaces);
  if (denied) return { verdict: 'denied', problems: [...unknown, denied] };
  const noName = whyNoName(from, nameKey === undefined ? `none beside ${known.port}` : describe(spelling), known);
  // Of a key that is misspelt it is told that it is: the right one is not there, and nothing can be wrong with it.
  const isThere = service.annotations.has(nameKey === undefined ? known.port : known.service);
  if (noName) return { verdict: 'denied', problems: isThere ? [...unknown, noName] : unknown };
  const port = choosePort(service, known.port);
  const problems = [...unknown, ...(typeof port === 'string' ? [problem('InvalidPort', port)] : [])];
  if (typeof port === 'string' || problems.length > 0) return { verdict: 'unclear', from, problems };
  return { verdict: 'accepted', from, port, problems: trafficPolicies(service) };
}

/** The Consul service that is behind a Service, or was when somebody made a mistake; lower case. */
export function nameWanted(request: ImportRequest | undefined): string | undefined {
  return request && request.verdict !== 'denied' ? request.from.name : undefined;
}

function whyDenied({ namespace, labels, type }: Service, namespaces: readonly string[]): Problem | undefined {
  const deny = (message: string) => problem('ImportDenied', message);
  if (isMarkedObject(labels)) return deny('the Service is one of Consular itself, which follows one Consul service');
  if (!namespaces.includes(namespace))
    return deny(`namespace ${namespace} is not one of toKubernetes.importNamespaces`);
  if (type === 'ExternalName') return deny('a Service of type ExternalName has no endpoints');
  return undefined;
}

/** @param found what to say of a name that is none */
function whyNoName({ name, spelling }: ConsulName, found: string, keys: ImportKeys): Problem | undefined {
  if (name === '' || name.length > LONGEST_NAME || !isReadableName(name))
    return problem(
      'InvalidAnnotation',
      `annotation ${keys.service}: expected the name of a Consul service, found ${found}`,
    );
  if (!isNeverMirrored(name)) return undefined;
  return problem('ImportDenied', `Consul service ${describe(spelling)} is one that never leaves Consul`);
}

/** The port, or the words for what is wrong. */
function choosePort({ annotations, ports }: Service, key: string): ServicePort | string {
  const wanted = annotations.get(key)?.trim();
  if (wanted === undefined) return ports[0] ?? `the Service has no port that instances could be behind`;
  const byNumber = ports.find(({ port }) => String(port) === wanted);
  const found = byNumber ?? ports.find(({ name }) => name === wanted && name !== '');
  return (
    found ?? `annotation ${key}: expected the name or number of one of the Service's ports, found ${describe(wanted)}`
  );
}

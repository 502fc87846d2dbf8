import { isIP } from 'node:net';
import type { CheckStatus } from '../../consul/types.ts';
import { MANAGED_BY, META, type Owner } from '../../mark.ts';
import { quote, type Rejection } from './rejection.ts';

/** A service instance on a Consul node of ours, with its check: desired and observed are of this one type. */
export interface Registration {
  readonly node: ConsulNode;
  readonly id: string;
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** Of a dual-stack pod its addresses of both families, by the names under which Consul's DNS looks for them; else none. */
  readonly taggedAddresses: ReadonlyMap<string, string>;
  readonly tags: readonly string[];
  readonly meta: ReadonlyMap<string, string>;
  readonly weight: number;
  readonly check: Check;
}

/** The synthetic Consul node that stands for a Kubernetes node. */
export interface ConsulNode {
  readonly name: string;
  readonly address: string;
}

export interface Check {
  /** Ours are passing or critical; warning stands for any status that others wrote. */
  readonly status: CheckStatus;
  readonly notes: string;
  /** Why, in one line. It is not compared, so that it is written with a change of the status and never on its own. */
  readonly output: string;
}

export const CHECK_NAME = 'Kubernetes readiness';
export const CHECK_TYPE = 'kubernetes';

/** `--` cannot be part of a cluster name, so two clusters never share a node. */
export function nodeNameOf(cluster: string, node: string): string {
  return `k8s-${cluster}--${node}`;
}

/** Whether a Consul node has a name of the form that `nodeNameOf` makes, for a Kubernetes node of that cluster. */
export function standsForNode(cluster: string, name: string): boolean {
  const start = nodeNameOf(cluster, '');
  return name.startsWith(start) && name.length > start.length;
}

export function nodeMeta(owner: Owner): Record<string, string> {
  return {
    [META.externalSource]: 'kubernetes',
    // Tells consul-esm that this node has no agent, and that it should leave probing alone.
    'external-node': 'true',
    'external-probe': 'false',
    [META.managedBy]: MANAGED_BY,
    [META.cluster]: owner.cluster,
    [META.clusterUid]: owner.clusterUid,
  };
}

/** Readable, because it is the title of the row in Consul's UI; unique, because nothing else has this pod's name there. */
export function registrationId(
  cluster: string,
  pod: { namespace: string; name: string },
  service: string,
  port: number,
  udp: boolean,
): string {
  return `${cluster}.${pod.namespace}.${pod.name}:${service}:${port}${udp ? ':udp' : ''}`;
}

/** Node names and IDs in lower case, because Consul compares them so: another spelling is an update, not another instance. */
export function identityOf({ node, id }: Pick<Registration, 'node' | 'id'>): string {
  return `${node.name}/${id}`.toLowerCase();
}

/**
 * The pod that an ID of ours is about, `namespace/name`; undefined for an ID that we did not make. The ID and not the meta
 * says so, because the meta can be edited, and then the right pod has to repair it.
 */
export function podKeyOf(cluster: string, id: string): string | undefined {
  // Kubernetes' names are lower case, and to Consul the case of an ID is nothing.
  const [, owner, namespace, pod] = /^([^.]+)\.([^.]+)\.([^:]+):/.exec(id.toLowerCase()) ?? [];
  return owner === cluster && namespace !== undefined && pod !== undefined ? `${namespace}/${pod}` : undefined;
}

/** Names that stand for Consul itself and for Consular. */
const RESERVED_NAMES = new Set(['consul', MANAGED_BY]);
const SERVICE_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
// Consul's own limits, in its structs.ValidateServiceMetadata: one violation would refuse the whole transaction.
const META_KEY = /^[A-Za-z0-9_-]{1,128}$/;
/** In bytes. */
const LONGEST_META_VALUE = 512;
const MOST_META = 64;
/**
 * Of all tags together, in bytes as JSON. Consul has no limit of its own for tags, but a transaction has one, of 512 KiB unless its
 * `limits.txn_max_req_len` says otherwise. We send 400 KiB at most, which is room for two instances of the largest kind: each is in it
 * once, with these tags and meta of up to 80 KiB.
 */
const MOST_TAG_BYTES = 112 * 1024;
/** Keys that are ours to set and that Spring and operators may set themselves. */
const SHARED_META = new Set(['secure', 'zone']);
const OWN_META = new Set<string>(Object.values(META));
/** Consul takes these too. They are refused because what is in Consul is shown in terminals, and written into configurations. */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** Everything wrong with a registration that Consul, a reader of Consul or the audit would stumble over. */
export function validate(
  registration: Pick<Registration, 'service' | 'address' | 'port' | 'tags' | 'meta'>,
  userMeta: ReadonlyMap<string, string>,
): Rejection[] {
  const { service, address, port, tags, meta } = registration;
  const rejections: Rejection[] = [];
  const reject = (reason: Rejection['reason'], message: string) => rejections.push({ reason, message });
  if (!SERVICE_NAME.test(service)) {
    reject(
      'InvalidServiceName',
      `service name: expected 1 to 63 letters, digits, dots, dashes and underscores, with a letter or digit at both ends, found ${quote(service)}`,
    );
  } else if (RESERVED_NAMES.has(service.toLowerCase())) {
    reject('ReservedName', `service name ${quote(service)} is reserved`);
  }
  if (isIP(address) === 0) reject('InvalidAnnotation', `pod IP: expected an IP address, found ${quote(address)}`);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    reject('InvalidPort', `port: expected 1 to 65535, found ${port}`);
  const tagBytes = Buffer.byteLength(JSON.stringify(tags));
  if (tagBytes > MOST_TAG_BYTES)
    reject(
      'InvalidAnnotation',
      `tags: expected at most ${MOST_TAG_BYTES} bytes together, as JSON in a transaction of Consul, found ${tagBytes}`,
    );
  for (const tag of tags)
    if (CONTROL.test(tag)) reject('InvalidAnnotation', `tag: expected printable characters, found ${quote(tag)}`);
  for (const [key, value] of userMeta) {
    const problem = metaProblem(key, value);
    if (problem) reject('InvalidMeta', `meta ${quote(key)}: ${problem}`);
  }
  if (meta.size > MOST_META)
    reject('InvalidMeta', `meta: expected at most ${MOST_META} entries with Consular's own, found ${meta.size}`);
  return rejections;
}

function metaProblem(key: string, value: string): string | undefined {
  if (!META_KEY.test(key))
    return `expected a key of 1 to 128 letters, digits, dashes and underscores, found ${key.length} characters`;
  if (key.startsWith('consul-')) return 'keys that begin with "consul-" belong to Consul';
  if (OWN_META.has(key) && !SHARED_META.has(key)) return 'this key is set by Consular';
  const bytes = Buffer.byteLength(value);
  if (bytes > LONGEST_META_VALUE)
    return `expected a value of at most ${LONGEST_META_VALUE} bytes, found ${bytes}: ${quote(value)}`;
  if (CONTROL.test(value)) return `expected a value of printable characters, found ${quote(value)}`;
  return undefined;
}

/** Everything but the check. */
export function sameService(a: Registration, b: Registration): boolean {
  return (
    a.service === b.service &&
    a.address === b.address &&
    a.port === b.port &&
    a.weight === b.weight &&
    a.tags.length === b.tags.length &&
    a.tags.every((tag, i) => tag === b.tags[i]) &&
    sameStrings(a.meta, b.meta) &&
    sameStrings(a.taggedAddresses, b.taggedAddresses)
  );
}

function sameStrings(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

export function sameCheck(a: Check, b: Check): boolean {
  return a.status === b.status && a.notes === b.notes;
}

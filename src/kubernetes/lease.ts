import { expectArray, expectObject, numberField, objectField, stringField, stringMapField } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Access } from './access.ts';
import type { KubernetesClient, KubernetesRequest } from './client.ts';
import { splitLines } from './encoding/split.ts';
import { describePurpose, hasStatus, KubernetesError, type Purpose } from './errors.ts';

/** Whose something is, as a Lease says it; the names are those of coordination.k8s.io/v1, LeaseSpec. */
export interface LeaseRecord {
  /** Empty when nobody holds the Lease. */
  readonly holderIdentity: string;
  /** How long a holder that does not renew the Lease keeps it; 0 when the Lease does not say. */
  readonly leaseDurationSeconds: number;
  /** RFC 3339 with microseconds, or empty. */
  readonly acquireTime: string;
  readonly renewTime: string;
  /** How often the holder has changed. */
  readonly leaseTransitions: number;
}

export interface Lease extends LeaseRecord {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly annotations: ReadonlyMap<string, string>;
  /** As it came: what is not known here stays as it is in each write. */
  readonly whole: JsonObject;
}

/** What is written; labels and annotations that are not named stay. */
export interface LeaseContent {
  readonly record: LeaseRecord;
  readonly labels: Readonly<Record<string, string>>;
  /** With undefined an annotation is taken away. */
  readonly annotations: Readonly<Record<string, string | undefined>>;
}

/**
 * One Lease. Each call ends when its signal aborts, whatever the API server does. A write names the state that it was decided
 * on, so that a lost race is a 409 and never an overwrite.
 */
export interface LeaseApi {
  /** The Lease as it is now, or undefined when the API server says that it is not found. */
  read(signal: AbortSignal): Promise<Lease | undefined>;
  /** @throws KubernetesError 409 AlreadyExists when somebody was faster */
  create(content: LeaseContent, signal: AbortSignal): Promise<Lease>;
  /** @throws KubernetesError 409 Conflict when the Lease is not the observed one any more; 404 when it is gone */
  replace(observed: Lease, content: LeaseContent, signal: AbortSignal): Promise<Lease>;
  /** Deletes exactly the observed Lease. @throws KubernetesError 409 Conflict when it has changed since; 404 when it is gone */
  remove(observed: Lease, signal: AbortSignal): Promise<void>;
  /**
   * Follows the Lease until the API server ends that, or says no.
   * @param onChange told the version of each change and, at the beginning, of the Lease as the server has it in its cache
   */
  watch(onChange: (resourceVersion: string) => void, signal: AbortSignal): Promise<void>;
}

export interface LeaseName {
  readonly namespace: string;
  readonly name: string;
}

const API_VERSION = 'coordination.k8s.io/v1';
/** The longest watch; a fleet's should not end together, so the actual one is between half of this and this. */
const LONGEST_WATCH_SECONDS = 600;

/** @param checkCluster rejects when the API server does not answer for our cluster: no Lease there is not no Lease. @default never */
export function createLeaseApi(
  client: Pick<KubernetesClient, 'request' | 'stream'>,
  place: LeaseName,
  checkCluster: () => Promise<void> = () => Promise.resolve(),
): LeaseApi {
  const { namespace, name } = place;
  const all = `/apis/${API_VERSION}/namespaces/${encodeURIComponent(namespace)}/leases`;
  const one = `${all}/${encodeURIComponent(name)}`;
  const purpose = (verb: Purpose['verb']): Purpose => ({ verb, kind: 'Lease', object: `${namespace}/${name}` });
  const ask = async (request: KubernetesRequest & { readonly signal: AbortSignal }) =>
    readLease(await untilAborted(request.purpose, request.signal, client.request(request)));
  return {
    async read(signal) {
      try {
        return await ask({ purpose: purpose('get'), path: one, signal });
      } catch (error) {
        // A 404 without that reason is of somebody on the way: no proof that the Lease is gone.
        if (!hasStatus(error, 404) || error.reason !== 'NotFound') throw error;
      }
      await untilAborted(purpose('get'), signal, checkCluster());
      return undefined;
    },
    create: (content, signal) =>
      ask({ purpose: purpose('create'), method: 'POST', path: all, body: bodyOf(place, content), signal }),
    replace: (observed, content, signal) =>
      ask({ purpose: purpose('update'), method: 'PUT', path: one, body: bodyOf(place, content, observed), signal }),
    async remove({ uid, resourceVersion }, signal) {
      const preconditions = { uid, resourceVersion };
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions };
      const request: KubernetesRequest = { purpose: purpose('delete'), method: 'DELETE', path: one, body, signal };
      await untilAborted(request.purpose, signal, client.request(request));
    },
    async watch(onChange, signal) {
      const timeoutSeconds = String(Math.ceil(LONGEST_WATCH_SECONDS * (0.5 + Math.random() / 2)));
      const query = { watch: '1', fieldSelector: `metadata.name=${name}`, allowWatchBookmarks: 'true', timeoutSeconds };
      const { body } = await client.stream({ purpose: purpose('watch'), path: all, query, signal });
      const split = splitLines();
      try {
        for await (const piece of body as AsyncIterable<Buffer>)
          for (const line of split(piece)) readEvent(purpose('watch'), line, onChange);
      } catch (cause) {
        if (cause instanceof KubernetesError) throw cause;
        throw new Error(describePurpose(purpose('watch')), { cause });
      }
    },
  };
}

/** Every Lease with that label, in all namespaces. @throws KubernetesError 403 without the right to list them there */
export async function listLeases(
  client: Pick<KubernetesClient, 'request'>,
  labelSelector: string,
): Promise<(LeaseName & Pick<Lease, 'uid' | 'holderIdentity'>)[]> {
  const purpose: Purpose = { verb: 'list', kind: 'Lease', object: '' };
  const answer = await client.request({ purpose, path: `/apis/${API_VERSION}/leases`, query: { labelSelector } });
  return expectArray(expectObject(answer, 'Lease list').items, 'Lease list').map((item) => {
    const lease = expectObject(item, 'Lease');
    const metadata = objectField(lease, 'metadata');
    return {
      holderIdentity: stringField(objectField(lease, 'spec'), 'holderIdentity'),
      namespace: stringField(metadata, 'namespace'),
      name: stringField(metadata, 'name'),
      uid: stringField(metadata, 'uid'),
    };
  });
}

/** A right to one Lease; but the creation of an object cannot be allowed by its name. */
export function leaseRight({ namespace, name }: LeaseName, verb: string): Access {
  const right = { verb, group: 'coordination.k8s.io', resource: 'leases', namespace };
  return verb === 'create' ? right : { ...right, name };
}

/** metav1.MicroTime: the API server refuses any other number of digits. */
export function microTime(date: Date): string {
  return date.toISOString().replace(/Z$/, '000Z');
}

/** @throws TypeError when it is no Lease at all. */
export function readLease(raw: unknown): Lease {
  const whole = expectObject(raw, 'Lease');
  const metadata = objectField(whole, 'metadata');
  const spec = objectField(whole, 'spec');
  const uid = stringField(metadata, 'uid');
  if (uid === '') throw new TypeError('read Lease: expected a uid, found none');
  return {
    uid,
    resourceVersion: stringField(metadata, 'resourceVersion'),
    holderIdentity: stringField(spec, 'holderIdentity'),
    leaseDurationSeconds: numberField(spec, 'leaseDurationSeconds') ?? 0,
    acquireTime: stringField(spec, 'acquireTime'),
    renewTime: stringField(spec, 'renewTime'),
    leaseTransitions: numberField(spec, 'leaseTransitions') ?? 0,
    labels: stringMapField(metadata, 'labels'),
    annotations: stringMapField(metadata, 'annotations'),
    whole,
  };
}

function bodyOf({ namespace, name }: LeaseName, content: LeaseContent, observed?: Lease): object {
  const whole: JsonObject = observed?.whole ?? {};
  const metadata = objectField(whole, 'metadata');
  return {
    ...whole,
    apiVersion: API_VERSION,
    kind: 'Lease',
    metadata: {
      ...metadata,
      ...{ namespace, name },
      // The API server compares them with what it has.
      ...(observed && { uid: observed.uid, resourceVersion: observed.resourceVersion }),
      labels: merged(objectField(metadata, 'labels'), content.labels),
      annotations: merged(objectField(metadata, 'annotations'), content.annotations),
    },
    spec: { ...objectField(whole, 'spec'), ...givenOf(content.record) },
  };
}

/** A time that is not known is null: as an empty text the API server refuses it. */
function givenOf({ acquireTime, renewTime, ...record }: LeaseRecord): object {
  return {
    ...record,
    acquireTime: acquireTime === '' ? null : acquireTime,
    renewTime: renewTime === '' ? null : renewTime,
  };
}

/** Not by assignment: the key `__proto__` is data too. */
function merged(before: JsonObject, changes: Readonly<Record<string, string | undefined>>): object {
  const entries = new Map([...Object.entries(before), ...Object.entries(changes)]);
  return Object.fromEntries([...entries].filter(([, value]) => value !== undefined));
}

function readEvent(purpose: Purpose, line: string, onChange: (resourceVersion: string) => void): void {
  const event = expectObject(JSON.parse(line), 'Lease watch event');
  const object = objectField(event, 'object');
  if (stringField(event, 'type') === 'ERROR')
    throw new KubernetesError(
      purpose,
      numberField(object, 'code') ?? 0,
      stringField(object, 'reason'),
      stringField(object, 'message').slice(0, 512),
    );
  if (stringField(event, 'type') !== 'BOOKMARK')
    onChange(stringField(objectField(object, 'metadata'), 'resourceVersion'));
}

/** The answer, or an error once the signal aborts: to get credentials may take for ever too, and knows no signal. */
async function untilAborted<T>(purpose: Purpose, signal: AbortSignal, answer: Promise<T>): Promise<T> {
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new Error(describePurpose(purpose), { cause: signal.reason }));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([answer, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

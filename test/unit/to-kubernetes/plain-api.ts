import { isObject } from '../../../src/json.ts';
import { KubernetesError, type Purpose } from '../../../src/kubernetes/errors.ts';
import type { ObjectApi, WriteMode } from '../../../src/kubernetes/object-api.ts';
import { objectKey, type KubernetesObject } from '../../../src/kubernetes/objects.ts';
import { createResources, workloadEntryKind, type Resource } from '../../../src/kubernetes/resources.ts';

const keep = { annotation: () => true };
export const RESOURCES = createResources(keep);
export const WORKLOAD_ENTRIES = workloadEntryKind(keep).at('v1');

type Json = Readonly<Record<string, unknown>>;

export function refusal(
  verb: Purpose['verb'],
  kind: string,
  object: string,
  status: number,
  message = 'no',
): KubernetesError {
  return new KubernetesError({ verb, kind, object }, status, '', message);
}

/** Where nobody else has a hand in what is written. */
export const NO_DISPUTES = { assertRested: () => undefined, wrote: () => undefined, forget: () => undefined };

/**
 * What a writer needs of the API, as a plain object: it keeps what it is sent, and gives it back as the decoders read it. The
 * test says what is refused.
 */
export class PlainApi implements Pick<ObjectApi, 'create' | 'patch' | 'remove'> {
  /** `create EndpointSlice shop/billing-1`, in order. */
  readonly calls: string[] = [];
  /** The bodies of these calls. */
  readonly bodies: Json[] = [];
  /** The status of the answer to a call; undefined for one that works. */
  refuses: (call: string, body: Json) => number | undefined = () => undefined;
  /** What was asked and not written. */
  readonly trials: string[] = [];
  readonly #objects = new Map<string, Json>();
  #writes = 0;

  create<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    body: object,
    mode?: WriteMode,
  ): Promise<T> {
    return this.#call(
      'create',
      resource,
      objectKey({ namespace, name }),
      body as Json,
      (key) => {
        const number = this.#writes;
        const metadata = { ...(body as { metadata: Json }).metadata, uid: `uid-${number}` };
        const spec = resource.kind === 'Service' ? { clusterIP: `10.96.1.${number % 250}` } : {};
        return this.#keep(resource, key, merged({ spec }, { ...body, metadata }), mode);
      },
      mode,
    );
  }

  patch<T extends KubernetesObject>(resource: Resource<T>, observed: T, body: object, mode?: WriteMode): Promise<T> {
    return this.#call(
      'patch',
      resource,
      objectKey(observed),
      body as Json,
      (key) => this.#keep(resource, key, merged(this.#objects.get(key) ?? bare(observed), body as Json), mode),
      mode,
    );
  }

  remove<T extends KubernetesObject>(resource: Resource<T>, observed: T): Promise<void> {
    return this.#call('delete', resource, objectKey(observed), {}, (key) => void this.#objects.delete(key));
  }

  async #call<R>(
    verb: Purpose['verb'],
    { kind }: Resource<KubernetesObject>,
    object: string,
    body: Json,
    answer: (key: string) => R,
    mode: WriteMode = 'write',
  ): Promise<R> {
    const call = `${verb} ${kind} ${object}`;
    if (mode === 'trial') this.trials.push(call);
    else {
      this.calls.push(call);
      this.bodies.push(body);
      this.#writes++;
    }
    // As over a network: nobody has the answer in the same turn.
    await new Promise(setImmediate);
    const status = this.refuses(call, body);
    if (status !== undefined) throw refusal(verb, kind, object, status);
    return answer(`${kind} ${object}`);
  }

  #keep<T extends KubernetesObject>(resource: Resource<T>, key: string, object: Json, mode?: WriteMode): T {
    const kept = merged(object, { metadata: { resourceVersion: String(1000 + this.#writes) } });
    if (mode !== 'trial') this.#objects.set(key, kept);
    return resource.decode(kept);
  }
}

/** As much of an object as a patch needs that this API did not make. */
function bare({ namespace, name, uid }: KubernetesObject): Json {
  return { metadata: { namespace, name, uid } };
}

/** A merge patch (RFC 7386). */
function merged(target: unknown, patch: Json): Json {
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = isObject(value) ? merged(result[key], value) : value;
  }
  return result;
}

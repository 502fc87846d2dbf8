import { arrayField, expectObject, isObject, stringField, type JsonObject } from '../json.ts';
import type { KubernetesRequester } from './client.ts';
import { hasStatus } from './errors.ts';
import type { KubernetesObject } from './objects.ts';
import type { CustomKind, Resource } from './resources.ts';

/** Whether the API server has a kind at all: older ones lack some. */
export async function isServed(
  client: KubernetesRequester,
  { apiVersion, plural }: Resource<KubernetesObject>,
): Promise<boolean> {
  return listsKind(await readOptional(client, 'APIResourceList', apiVersion), plural);
}

/** The kind in the best version that the API server has it in, or undefined when it has none: nobody installed it. */
export async function discover<T extends KubernetesObject>(
  client: KubernetesRequester,
  { group, plural, versions, at }: CustomKind<T>,
): Promise<Resource<T> | undefined> {
  const found = await readOptional(client, 'APIGroup', group);
  const served = arrayField(found ?? {}, 'versions').filter(isObject);
  for (const version of versions.filter((one) => served.some((other) => stringField(other, 'version') === one))) {
    if (listsKind(await readOptional(client, 'APIResourceList', `${group}/${version}`), plural)) return at(version);
  }
  return undefined;
}

function listsKind(list: JsonObject | undefined, plural: string): boolean {
  const kinds = arrayField(list ?? {}, 'resources').filter(isObject);
  return kinds.some((kind) => stringField(kind, 'name') === plural);
}

/** Undefined when the API server says that there is no such thing; any other failure says nothing about that. */
async function readOptional(
  client: KubernetesRequester,
  kind: string,
  object: string,
): Promise<JsonObject | undefined> {
  try {
    return expectObject(
      await client.request({ purpose: { verb: 'get', kind, object }, path: `/apis/${object}` }),
      kind,
    );
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

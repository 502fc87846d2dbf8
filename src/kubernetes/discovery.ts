import { arrayField, expectObject, isObject, stringField } from '../json.ts';
import type { KubernetesClient } from './client.ts';
import { hasStatus } from './errors.ts';
import type { KubernetesObject } from './objects.ts';
import type { CustomKind, Resource } from './resources.ts';

/** The kind in the best version that the API server has it in, or undefined when it has none: nobody installed it. */
export async function discover<T extends KubernetesObject>(
  client: KubernetesClient,
  { group, plural, versions, at }: CustomKind<T>,
): Promise<Resource<T> | undefined> {
  const found = await readOptional(client, 'APIGroup', group);
  const served = arrayField(found ?? {}, 'versions').filter(isObject);
  for (const version of versions.filter((one) => served.some((other) => stringField(other, 'version') === one))) {
    const list = await readOptional(client, 'APIResourceList', `${group}/${version}`);
    const kinds = arrayField(list ?? {}, 'resources').filter(isObject);
    if (kinds.some((kind) => stringField(kind, 'name') === plural)) return at(version);
  }
  return undefined;
}

/** Undefined when the API server says that there is no such thing; any other failure says nothing about that. */
async function readOptional(client: KubernetesClient, kind: string, object: string) {
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

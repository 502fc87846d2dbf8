import { arrayField, expectObject, isObject, stringField } from '../json.ts';
import type { KubernetesClient } from './client.ts';
import { hasStatus } from './errors.ts';
import type { KubernetesObject } from './objects.ts';
import type { Resource } from './resources.ts';

/** Whether the API server has a kind at all: older ones lack some. */
export async function isServed(
  client: KubernetesClient,
  { apiVersion, plural }: Resource<KubernetesObject>,
): Promise<boolean> {
  try {
    const answer = await client.request({
      purpose: { verb: 'get', kind: 'APIResourceList', object: apiVersion },
      path: `/apis/${apiVersion}`,
    });
    const kinds = arrayField(expectObject(answer, `APIResourceList ${apiVersion}`), 'resources').filter(isObject);
    return kinds.some((kind) => stringField(kind, 'name') === plural);
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}

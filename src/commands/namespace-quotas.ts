import { arrayField, expectObject, isObject, objectField, stringField, type JsonObject } from '../json.ts';
import type { KubernetesRequester } from '../kubernetes/client.ts';
import { hasStatus } from '../kubernetes/errors.ts';
import type { WrittenKind } from '../to-kubernetes/plan/namespace-plan.ts';
import type { Told } from './told.ts';

/** Something that would be made, by its key. */
interface Creation {
  readonly action: string;
  readonly kind: string;
  readonly object: string;
}

/** What a ResourceQuota calls the number of objects of a kind. */
const COUNTS: Readonly<Record<WrittenKind, readonly string[]>> = {
  Service: ['services', 'count/services'],
  EndpointSlice: ['count/endpointslices.discovery.k8s.io'],
  Endpoints: ['count/endpoints'],
  WorkloadEntry: ['count/workloadentries.networking.istio.io'],
};

/**
 * Quotas of namespaces that have not enough room for what would be made there: one line for each, however many objects it
 * concerns. Nothing of a namespace whose quotas the caller may not read: `run` finds out then.
 */
export async function toldOfQuotas(
  kubernetes: Pick<KubernetesRequester, 'request'>,
  namespaces: readonly string[],
  changes: readonly Creation[],
): Promise<Told[]> {
  const told = namespaces.map(async (namespace) => {
    const creations = changes.filter(({ action, object }) => action === 'create' && object.startsWith(`${namespace}/`));
    const wanted = (Object.entries(COUNTS) as [WrittenKind, readonly string[]][])
      .map(([kind, counts]) => ({ counts, number: creations.filter((creation) => creation.kind === kind).length }))
      .filter(({ number }) => number > 0);
    if (wanted.length === 0) return [];
    const quotas = await readQuotas(kubernetes, namespace);
    return quotas.flatMap((quota) =>
      wanted.flatMap(({ counts, number }) =>
        counts.flatMap((count) => shortageOf(namespace, quota, count, number) ?? []),
      ),
    );
  });
  return (await Promise.all(told)).flat();
}

async function readQuotas(kubernetes: Pick<KubernetesRequester, 'request'>, namespace: string): Promise<JsonObject[]> {
  try {
    const answer = await kubernetes.request({
      purpose: { verb: 'list', kind: 'ResourceQuota', object: namespace },
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/resourcequotas`,
    });
    return arrayField(expectObject(answer, 'ResourceQuota list'), 'items').filter(isObject);
  } catch (error) {
    if (hasStatus(error, 403) || hasStatus(error, 404)) return [];
    throw error;
  }
}

function shortageOf(namespace: string, quota: JsonObject, count: string, wanted: number): Told | undefined {
  const status = objectField(quota, 'status');
  const [hard, used] = ['hard', 'used'].map((field) => stringField(objectField(status, field), count));
  const room = Number(hard) - Number(used);
  if (hard === '' || !Number.isFinite(room) || room >= wanted) return undefined;
  const name = stringField(objectField(quota, 'metadata'), 'name');
  const message = `quota ${name} has room for ${Math.max(0, room)} more of ${count} (${used} of ${hard} are used), and ${wanted} are to be created: the others are refused`;
  return { reason: 'WriteRefused', object: `Namespace ${namespace}`, message, isWarning: false };
}

import { ConfigError } from '../../config/load.ts';
import { isClusterName, type Config } from '../../config/schema.ts';
import { createCommitter } from '../../consul/committer.ts';
import { isDenied } from '../../consul/errors.ts';
import { createKeyValue } from '../../consul/key-value.ts';
import { OtherClusterError } from '../../kubernetes/cluster-check.ts';
import { findOwnPod } from '../../kubernetes/connection.ts';
import { hasStatus, isRefusal } from '../../kubernetes/errors.ts';
import { createLeaseApi, type LeaseName } from '../../kubernetes/lease.ts';
import { objectKey } from '../../kubernetes/objects.ts';
import type { ObjectApi } from '../../kubernetes/object-api.ts';
import { FenceOfAnotherCluster } from '../../leadership/fence-errors.ts';
import { fenceKey, readRecord } from '../../leadership/fence-record.ts';
import { leadersApi } from '../../leadership/leaders-api.ts';
import { leasePlace } from '../../leadership/lease-place.ts';
import { LeaseOfAnother } from '../../leadership/lease-errors.ts';
import { LABEL, META, ownsNode, type Owner } from '../../mark.ts';
import { explainError } from '../../observability/log.ts';
import { ClusterIdentityError } from '../../to-consul/identity/cluster-identity.ts';
import { renameEntry, renameNode } from '../../to-consul/nodes/rename-node.ts';
import { standsForNode } from '../../to-consul/registration/registration.ts';
import type { Clients, Context } from '../../world/context.ts';
import { StillLed, takeHold } from '../hold.ts';
import { placesOf, readKubernetesSide, type OwnObject } from '../purge/kubernetes-side.ts';

/** Longer than a Lease counts that nobody renews. */
const HOLD_MS = 40_000;
/** Kubernetes' own controllers may write an object at the same time. */
const MOST_TRIES = 5;

/**
 * Gives everything that this Kubernetes cluster has under an old cluster name the name that it has now, before anything else is read
 * or written. As long as that is not done, nothing is done under the new name; interrupted at any point, it goes on from there.
 *
 * | step | what                                                                                                          |
 * |------|---------------------------------------------------------------------------------------------------------------|
 * | 1    | the new name is ours, or nobody's                                                                             |
 * | 2    | the Lease and the fence of the old name are taken: no daemon with it writes any more                          |
 * | 3    | the label on each object in Kubernetes                                                                        |
 * | 4    | the Consul nodes with their instances, each old and new instance in one transaction; Consular's own entry last: until then no daemon without this option starts |
 * | 5    | the key and the Lease of the old name go                                                                      |
 *
 * @throws StillLed while a daemon with the old name leads; ClusterIdentityError, FenceOfAnotherCluster when the new name is another
 *   cluster's; ConsulError and others when it could not be done now
 */
export async function renameCluster(context: Context, clients: Clients, from: string): Promise<void> {
  const { config, log, metrics, signal } = context;
  const clusterUid = await clients.cluster.begin();
  const before: Owner = { cluster: from, clusterUid };
  const after: Owner = { cluster: config.cluster, clusterUid };
  await assertFree(clients, after);
  const found = await readKubernetesSide(clients, before, placesOf(config));
  if (found.failures.length > 0) throw found.failures[0];
  const objects = found.stages.flat();
  const listed = (await clients.nodes.list(META.cluster, from, true)).filter(({ meta }) => ownsNode(before, meta));
  const lease = oldLease(context, from);
  if (objects.length + listed.length === 0 && !(await isAnythingHeld(clients, before, lease))) return;
  for (const { kind, object, why } of found.remaining)
    log.warn('not looked at for the old name of the cluster, or left as it is', { kind, object, why });
  const onProgress = (text: string) => log.info('renaming the cluster', { text });
  const hold = await takeHold(context, clients, {
    command: 'rename',
    owner: before,
    lease,
    timeoutMs: HOLD_MS,
    onProgress,
  });
  try {
    const api = leadersApi(clients.api, () => hold.leadership.assertLeading());
    for (const own of objects) await relabel(context, api, own);
    const committer = createCommitter(clients.consul, metrics, hold.leadership);
    const options = { nodes: clients.nodes, committer, before, after, log, signal };
    for (const { name } of listed) if (standsForNode(from, name)) await renameNode(options, name);
    await renameEntry(options);
  } catch (error) {
    await hold.release().catch(() => undefined);
    throw error;
  }
  for (const { kind, object, why } of await hold.remove())
    log.warn('what belonged to the old name of the cluster could not be removed', { kind, object, why });
  log.info('the cluster has its new name', {
    before: from,
    after: config.cluster,
    nodes: listed.length,
    objects: objects.length,
  });
}

/** @throws ConfigError when the cluster cannot have had that name before */
export function assertOldName({ cluster, besides }: Config, old: string): void {
  const expected = `expected the name that ${cluster} had before, and that nobody has any more`;
  if (!isClusterName(old) || old === cluster)
    throw new ConfigError('of the option --rename-from', [`${expected}, found ${JSON.stringify(old)}`]);
  if (besides.includes(old))
    throw new ConfigError('of the option --rename-from', [`${expected}, found "${old}", which "besides" lists`]);
}

/** Waiting would not mend it. */
export function isFinalForRename(error: unknown): boolean {
  const kinds = [StillLed, ClusterIdentityError, FenceOfAnotherCluster, LeaseOfAnother, OtherClusterError];
  return kinds.some((kind) => error instanceof kind);
}

/** @throws ClusterIdentityError, FenceOfAnotherCluster */
async function assertFree({ consul, nodes }: Clients, after: Owner): Promise<void> {
  const stranger = (await nodes.list(META.cluster, after.cluster, true)).find(
    ({ meta }) => meta.get(META.clusterUid) !== after.clusterUid,
  );
  if (stranger) throw new ClusterIdentityError(after, stranger);
  const key = fenceKey(after.cluster);
  const stored = await createKeyValue(consul).read(key);
  const record = stored && readRecord(stored.value);
  if (record && record.clusterUid !== after.clusterUid) throw new FenceOfAnotherCluster(key, record, after);
}

/** By which a daemon with the old name led; undefined where nobody was elected. */
function oldLease({ config }: Context, cluster: string): LeaseName | undefined {
  return leasePlace({ cluster, leaderElection: config.leaderElection }, findOwnPod(config.kubernetes));
}

/** What an earlier try that ended in its last step left. Without a right to it there is no saying, and nothing to do. */
async function isAnythingHeld(
  { consul, kubernetes }: Clients,
  before: Owner,
  lease: LeaseName | undefined,
): Promise<boolean> {
  try {
    const stored = await createKeyValue(consul).read(fenceKey(before.cluster));
    if (stored && readRecord(stored.value)?.clusterUid === before.clusterUid) return true;
    const found = lease && (await createLeaseApi(kubernetes, lease).read(AbortSignal.timeout(15_000)));
    return found?.labels.get(LABEL.cluster) === before.cluster;
  } catch (error) {
    if (isDenied(error) || hasStatus(error, 403)) return false;
    throw error;
  }
}

/** What the API server refuses is told, and costs only itself. @throws what may go well the next time */
async function relabel(
  { config, log, signal }: Context,
  api: Pick<ObjectApi, 'get' | 'patch'>,
  { resource, observed, isOurs }: OwnObject,
): Promise<void> {
  const body = { metadata: { labels: { [LABEL.cluster]: config.cluster } } };
  let now: typeof observed | undefined = observed;
  try {
    for (let tries = 1; now && isOurs(now); tries++) {
      signal.throwIfAborted();
      try {
        await api.patch(resource, now, body);
        return;
      } catch (error) {
        if (hasStatus(error, 404)) return;
        if (!hasStatus(error, 409) || tries === MOST_TRIES) throw error;
      }
      now = await api.get(resource, observed.namespace, observed.name);
    }
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log.warn('an object could not be given the new name of the cluster', {
      kind: resource.kind,
      object: objectKey(observed),
      why: explainError(error),
    });
  }
}

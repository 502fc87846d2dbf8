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
import { StillLed, takeHold, type Hold } from '../hold.ts';
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
 * | 2    | the Lease and the fence of the old name are taken: no daemon with it writes any more, and all that it wrote is read |
 * | 3    | the Consul nodes with their instances, each old and new instance in one transaction: from the first of them on a daemon with the old name does not start |
 * | 4    | the label on each object in Kubernetes                                                                        |
 * | 5    | Consular's own entry: until then no daemon without this option starts                                         |
 * | 6    | the key and the Lease of the old name go                                                                      |
 *
 * @returns how many instances keep the old name, because the token may not write them; then the entry, the key and the Lease stay too
 * @throws StillLed while a daemon with the old name leads; WritesOff; ClusterIdentityError, FenceOfAnotherCluster when the new name is
 *   another cluster's; ConsulError and others when it could not be done now
 */
export async function renameCluster(context: Context, clients: Clients, from: string): Promise<number> {
  const { config, log } = context;
  const clusterUid = await clients.cluster.begin();
  const before: Owner = { cluster: from, clusterUid };
  const after: Owner = { cluster: config.cluster, clusterUid };
  await assertFree(clients, after);
  const lease = oldLease(context, from);
  if (await isNothingThere(context, clients, before, lease)) return 0;
  const onProgress = (text: string) => log.info('renaming the cluster', { text });
  const hold = await takeHold(context, clients, {
    ...{ command: 'rename', owner: before, lease, timeoutMs: HOLD_MS, onProgress },
  });
  let denied: number;
  try {
    denied = await renameAll(context, clients, hold, { before, after });
  } catch (error) {
    await hold.release().catch(() => undefined);
    throw error;
  }
  if (denied > 0) {
    await hold.release();
    return denied;
  }
  for (const { kind, object, why } of await hold.remove())
    log.warn('what belonged to the old name of the cluster could not be removed', { kind, object, why });
  log.info('the cluster has its new name', { before: from, after: config.cluster });
  return 0;
}

/** What nobody but us writes any more. Returns how many instances keep the old name. */
async function renameAll(
  context: Context,
  clients: Clients,
  { leadership }: Hold,
  { before, after }: { readonly before: Owner; readonly after: Owner },
): Promise<number> {
  const { log, metrics, signal } = context;
  const { objects, nodes } = await readOld(context, clients, before);
  const committer = createCommitter(clients.consul, metrics, leadership);
  const options = { nodes: clients.nodes, committer, before, after, log, signal };
  let denied = 0;
  for (const { name } of nodes) if (standsForNode(before.cluster, name)) denied += await renameNode(options, name);
  const api = leadersApi(clients.api, () => leadership.assertLeading());
  for (const own of objects) await relabel(context, api, own);
  if (denied === 0) await renameEntry(options);
  return denied;
}

/** All that has the old name in either system. @throws what keeps anything from being read */
async function readOld({ config, log }: Context, clients: Clients, before: Owner) {
  const found = await readKubernetesSide(clients, before, placesOf(config));
  if (found.failures.length > 0) throw found.failures[0];
  for (const { kind, object, why } of found.remaining)
    log.warn('not looked at for the old name of the cluster, or left as it is', { kind, object, why });
  const listed = await clients.nodes.list(META.cluster, before.cluster, true);
  return { objects: found.stages.flat(), nodes: listed.filter(({ meta }) => ownsNode(before, meta)) };
}

async function isNothingThere(context: Context, clients: Clients, before: Owner, lease: LeaseName | undefined) {
  const { objects, nodes } = await readOld(context, clients, before);
  return objects.length + nodes.length === 0 && !(await isAnythingHeld(clients, before, lease));
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

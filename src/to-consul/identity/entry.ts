import type { Operation } from '../../consul/transaction.ts';
import type { CatalogCheck, CatalogNode, CatalogService, NodeContents } from '../../consul/types.ts';
import { MANAGED_BY, META, type Owner } from '../../mark.ts';
import { nodeMeta } from '../registration/registration.ts';
import type { Summary } from './summary.ts';

/** Meta keys. */
const DATA_LOST_AT = 'data-lost-at';
const NONCE = 'nonce';
const STARTING: Summary = { status: 'passing', output: 'Consular is starting' };

/** Consular's own entry in Consul: service `consular`, one instance for each cluster, on a node `k8s-<cluster>`. */
export interface Entry {
  readonly owner: Owner;
  /** Where this Consular answers status requests. */
  readonly address: string;
  readonly port: number;
  readonly version: string;
  /** For those who take every service in Consul for their own business. */
  readonly tags: readonly string[];
  /** Made when the entry is written anew, and kept: by it the entry is known to be ours, and of this Consul. */
  readonly nonce: string;
  /** When Consul lost data, as long as that counts. */
  readonly lostAt: Date | undefined;
  /** What the check says; without it the check stays as it is. */
  readonly summary: Summary | undefined;
}

/** Not the name of any synthetic node: those have `--` and a Kubernetes node behind the cluster. */
export function ownNodeName({ cluster }: Owner): string {
  return `k8s-${cluster}`;
}

/** Our entry among what is on its node. */
export function entryIn(
  owner: Owner,
  contents: Pick<NodeContents, 'services'> | undefined,
): CatalogService | undefined {
  return contents?.services.find(({ id }) => id === entryId(owner));
}

/** Undefined when it has none: somebody else wrote it, or a version that gave it none. */
export function nonceOf({ meta }: CatalogService): string | undefined {
  return meta.get(NONCE);
}

/** When Consul had lost data, as the entry says; it may be long ago. */
export function lossIn(owner: Owner, contents: Pick<NodeContents, 'services'>): Date | undefined {
  const at = new Date(entryIn(owner, contents)?.meta.get(DATA_LOST_AT) ?? '');
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** What has to be written so that Consul has the entry; nothing of what is right already. */
export function entryOperations(entry: Entry, contents: NodeContents | undefined): Operation[] {
  const id = entryId(entry.owner);
  return [
    ...nodeOperations(entry, contents?.node),
    ...serviceOperations(entry, entryIn(entry.owner, contents)),
    ...checkOperations(
      entry,
      contents?.checks.find(({ checkId }) => checkId === id),
    ),
  ];
}

function nodeOperations({ owner, address }: Entry, found: CatalogNode | undefined): Operation[] {
  if (found?.address === address) return [];
  const node = { Node: ownNodeName(owner), Address: address, Meta: nodeMeta(owner) };
  return [{ Node: { Verb: 'cas', Node: { ...node, ModifyIndex: found?.modifyIndex ?? 0 } } }];
}

function serviceOperations(
  { owner, address, port, version, tags, nonce, lostAt }: Entry,
  found: CatalogService | undefined,
): Operation[] {
  const meta = {
    [META.externalSource]: 'kubernetes',
    [META.managedBy]: MANAGED_BY,
    [META.cluster]: owner.cluster,
    [META.clusterUid]: owner.clusterUid,
    version,
    [NONCE]: nonce,
    ...(lostAt ? { [DATA_LOST_AT]: lostAt.toISOString() } : {}),
  };
  const isThere = found?.address === address && found.port === port && hasMeta(found.meta, meta);
  if (isThere && hasTags(found, tags)) return [];
  const service = {
    ID: entryId(owner),
    Service: MANAGED_BY,
    Address: address,
    Port: port,
    Tags: tags,
    Meta: meta,
    Weights: { Passing: 1, Warning: 1 },
    ModifyIndex: found?.modifyIndex ?? 0,
  };
  return [{ Service: { Verb: 'cas', Node: ownNodeName(owner), Service: service } }];
}

function checkOperations({ owner, summary }: Entry, found: CatalogCheck | undefined): Operation[] {
  const { status, output } = summary ?? summaryIn(found) ?? STARTING;
  if (found?.output === output && found.status === status) return [];
  const check = {
    Node: ownNodeName(owner),
    CheckID: entryId(owner),
    Name: 'Consular',
    Type: MANAGED_BY,
    Status: status,
    Notes:
      `What Consular does for Kubernetes cluster ${owner.cluster} (uid ${owner.clusterUid}). ` +
      'Warning while anything is rejected or held: there is an Event on each of these objects. ' +
      'Rewritten when it changes, so an old text is no sign of trouble; whether Consular is alive shows in Kubernetes.',
    Output: output,
    ServiceID: entryId(owner),
    ServiceName: MANAGED_BY,
    ModifyIndex: found?.modifyIndex ?? 0,
  };
  return [{ Check: { Verb: 'cas', Check: check } }];
}

export function entryId({ cluster }: Owner): string {
  return `${MANAGED_BY}-${cluster}`;
}

/** What the check says already, unless somebody else gave it a status that is none of ours. */
function summaryIn(check: CatalogCheck | undefined): Summary | undefined {
  return check && { status: check.status === 'warning' ? 'warning' : 'passing', output: check.output };
}

function hasTags({ tags: found }: CatalogService, wanted: readonly string[]): boolean {
  return found.length === wanted.length && wanted.every((tag, i) => tag === found[i]);
}

function hasMeta(found: ReadonlyMap<string, string>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => found.get(key) === value);
}

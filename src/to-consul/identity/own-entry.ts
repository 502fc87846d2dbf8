import { readNode } from '../../consul/catalog.ts';
import type { ConsulClient } from '../../consul/client.ts';
import { commitTransaction, operationsText, type Operation } from '../../consul/transaction.ts';
import type { CatalogCheck, NodeContents } from '../../consul/types.ts';
import { explainError, type Log } from '../../observability/log.ts';
import { MANAGED_BY, META, type Owner } from '../../mark.ts';
import { ClusterIdentityError, ownsNodeOrThrow } from './cluster-identity.ts';
import { nodeMeta } from '../registration/registration.ts';
import type { Summary } from './summary.ts';

/** When a summary that changed is written. */
export interface EntryPace {
  /** The text changes with the cluster; a Raft entry for each change of it would be a heartbeat. */
  readonly gapMs: number;
  /** What changes and changes back, as in a rolling update, is not worth a word. */
  readonly steadyMs: number;
  /** Where it never holds still, the truth of a moment has to do. */
  readonly longestMs: number;
  readonly tickMs: number;
}

const ENTRY_PACE: EntryPace = { gapMs: 30_000, steadyMs: 5000, longestMs: 60_000, tickMs: 1000 };
/** Meta key. */
const DATA_LOST_AT = 'data-lost-at';
const STARTING: Summary = { status: 'passing', output: 'Consular is starting' };

export interface OwnEntryOptions {
  readonly client: ConsulClient;
  readonly owner: Owner;
  /** Where this Consular answers status requests; must not change while nothing else does. */
  readonly address: string;
  readonly port: number;
  readonly version: string;
  /** What there is to say, or undefined while it is still being found out. */
  readonly summary: () => Summary | undefined;
  /** Told of the index of each write. */
  readonly onCommit: (index: number) => void;
  /** When Consul lost data, as long as that counts: the entry says it, for the next start. */
  readonly lostAt: () => Date | undefined;
  readonly log: Log;
  /** @default ENTRY_PACE */
  readonly pace?: EntryPace | undefined;
}

/** What is not in Consul yet: since when it is so, and since when what is there is wrong. */
interface Pending {
  readonly summary: Summary;
  readonly since: number;
  readonly first: number;
}

/**
 * Consular in Consul's own catalog: service `consular`, one instance per cluster, on a node `k8s-<cluster>`. Its check says
 * what Consular does, for whoever audits in the UI; it is rewritten when that changes, and never to say "still alive". The node carries the uid of the Kubernetes cluster, so a second installation under the same name finds
 * the name taken, even while no pod is registered.
 */
export class OwnEntry {
  readonly #options: OwnEntryOptions;
  readonly #pace: EntryPace;
  #timer: NodeJS.Timeout | undefined;
  #writtenAt = -Infinity;
  #written: Summary | undefined;
  #pending: Pending | undefined;
  #busy = false;
  #failure: string | undefined;

  constructor(options: OwnEntryOptions) {
    this.#options = options;
    this.#pace = options.pace ?? ENTRY_PACE;
  }

  /**
   * Takes the cluster's name, or finds it taken by us. Anything but a foreign uid is no reason not to start.
   * @throws ClusterIdentityError when another Kubernetes cluster has the name
   */
  async claim(): Promise<void> {
    try {
      await this.#write();
    } catch (error) {
      if (error instanceof ClusterIdentityError) throw error;
      this.#complain(error);
    }
  }

  /** Keeps the summary up to date. */
  start(): void {
    this.#timer = setInterval(() => void this.#tick(), this.#pace.tickMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Somebody changed something in the catalog: the entry is looked at again at the next occasion. */
  forget(): void {
    this.#written = undefined;
  }

  async #tick(): Promise<void> {
    const summary = this.#options.summary();
    if (this.#busy || summary === undefined || !this.#isDue(summary)) return;
    this.#busy = true;
    this.#writtenAt = performance.now();
    try {
      await this.#write(summary);
      this.#failure = undefined;
    } catch (error) {
      this.#complain(error);
    }
    this.#busy = false;
  }

  #isDue(summary: Summary): boolean {
    const { gapMs, steadyMs, longestMs } = this.#pace;
    const now = performance.now();
    const first = this.#pending?.first ?? now;
    if (sameSummary(summary, this.#written)) this.#pending = undefined;
    else if (!sameSummary(summary, this.#pending?.summary)) this.#pending = { summary, since: now, first };
    if (!this.#pending || now - this.#writtenAt < gapMs) return false;
    return now - this.#pending.since >= steadyMs || now - this.#pending.first >= longestMs;
  }

  /** @param summary for the check; without one, what is there stays. */
  async #write(summary?: Summary): Promise<void> {
    const { client, owner } = this.#options;
    const name = ownNodeName(owner);
    const contents = await readNode(client, name);
    if (contents) ownsNodeOrThrow(owner, contents.node);
    const operations = this.#operations(name, contents, summary);
    if (operations.length > 0) {
      const { nodes, services, checks } = await commitTransaction(client, [operationsText(operations)]);
      this.#options.onCommit(Math.max(0, ...nodes.values(), ...services.values(), ...checks.values()));
    }
    this.#written = summary;
  }

  #operations(name: string, contents: NodeContents | undefined, summary: Summary | undefined): Operation[] {
    const { owner, address, port, version } = this.#options;
    const id = entryId(owner);
    const lostAt = this.#options.lostAt();
    const node = contents?.node;
    const service = contents?.services.find((service) => service.id === id);
    const check = contents?.checks.find(({ checkId }) => checkId === id);
    const { status, output } = summary ?? summaryIn(check) ?? STARTING;
    const meta = {
      [META.externalSource]: 'kubernetes',
      [META.managedBy]: MANAGED_BY,
      [META.cluster]: owner.cluster,
      [META.clusterUid]: owner.clusterUid,
      version,
      ...(lostAt ? { [DATA_LOST_AT]: lostAt.toISOString() } : {}),
    };
    const operations: Operation[] = [];
    if (node?.address !== address)
      operations.push({
        Node: {
          Verb: 'cas',
          Node: { Node: name, Address: address, Meta: nodeMeta(owner), ModifyIndex: node?.modifyIndex ?? 0 },
        },
      });
    if (service?.address !== address || service.port !== port || !hasMeta(service.meta, meta))
      operations.push({
        Service: {
          Verb: 'cas',
          Node: name,
          Service: {
            ID: id,
            Service: MANAGED_BY,
            Address: address,
            Port: port,
            Tags: [],
            Meta: meta,
            Weights: { Passing: 1, Warning: 1 },
            ModifyIndex: service?.modifyIndex ?? 0,
          },
        },
      });
    if (check?.output !== output || check.status !== status)
      operations.push({
        Check: {
          Verb: 'cas',
          Check: {
            Node: name,
            CheckID: id,
            Name: 'Consular',
            Type: MANAGED_BY,
            Status: status,
            Notes: `What Consular does for Kubernetes cluster ${owner.cluster} (uid ${owner.clusterUid}). Warning while anything is rejected or held: there is an Event on each of these objects. Rewritten when it changes, so an old text is no sign of trouble; whether Consular is alive shows in Kubernetes.`,
            Output: output,
            ServiceID: id,
            ServiceName: MANAGED_BY,
            ModifyIndex: check?.modifyIndex ?? 0,
          },
        },
      });
    return operations;
  }

  /** Once for each reason: nothing else depends on the entry. */
  #complain(error: unknown): void {
    const why = explainError(error);
    if (why !== this.#failure) this.#options.log.warn("Consular's own entry in Consul could not be written", { error });
    this.#failure = why;
  }
}

/** Not the name of any synthetic node: those have `--` and a Kubernetes node behind the cluster. */
export function ownNodeName({ cluster }: Owner): string {
  return `k8s-${cluster}`;
}

/** When Consul had lost data, as the entry says; it may be long ago. */
export function lossIn(owner: Owner, { services }: NodeContents): Date | undefined {
  const entry = services.find(({ id }) => id === entryId(owner));
  const at = new Date(entry?.meta.get(DATA_LOST_AT) ?? '');
  return Number.isNaN(at.getTime()) ? undefined : at;
}

function entryId({ cluster }: Owner): string {
  return `${MANAGED_BY}-${cluster}`;
}

function sameSummary(a: Summary, b: Summary | undefined): boolean {
  return a.status === b?.status && a.output === b.output;
}

/** What the check says already, unless somebody else gave it a status that is none of ours. */
function summaryIn(check: CatalogCheck | undefined): Summary | undefined {
  return check && { status: check.status === 'warning' ? 'warning' : 'passing', output: check.output };
}

function hasMeta(found: ReadonlyMap<string, string>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => found.get(key) === value);
}

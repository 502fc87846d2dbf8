import { readNode } from '../consul/catalog.ts';
import type { ConsulClient } from '../consul/client.ts';
import { commitTransaction, operationsText, type Operation } from '../consul/transaction.ts';
import type { NodeContents } from '../consul/types.ts';
import { explainError, type Log } from '../observability/log.ts';
import { MANAGED_BY, META, type Owner } from '../reconcile/mark.ts';
import { ClusterIdentityError, ownsNodeOrThrow } from './observed.ts';
import { nodeMeta } from './registration.ts';

/** The text changes with the cluster; a Raft entry for each change of it would be a heartbeat. */
const SHORTEST_GAP_MS = 30_000;
/** What changes and changes back, as in a rolling update, is not worth a word. */
const STEADY_MS = 5000;
/** Where it never holds still, the truth of a moment has to do. */
const LONGEST_WAIT_MS = 60_000;
const TICK_MS = 1000;
const STARTING = 'Consular is starting';

export interface OwnEntryOptions {
  readonly client: ConsulClient;
  readonly owner: Owner;
  /** Where this Consular answers status requests; must not change while nothing else does. */
  readonly address: string;
  readonly port: number;
  readonly version: string;
  /** What there is to say, or undefined while it is still being found out. */
  readonly summary: () => string | undefined;
  /** Told of the index of each write. */
  readonly onCommit: (index: number) => void;
  readonly log: Log;
}

/** A line that is not in Consul yet: since when it is so, and since when the one there is wrong. */
interface Pending {
  readonly text: string;
  readonly since: number;
  readonly first: number;
}

/**
 * Consular in Consul's own catalog: service `consular`, one instance per cluster, on a node `k8s-<cluster>`. Its check says
 * in one line what Consular does, for whoever audits in the UI; it is rewritten when the line changes, and never to say
 * "still alive". The node carries the uid of the Kubernetes cluster, so a second installation under the same name finds
 * the name taken, even while no pod is registered.
 */
export class OwnEntry {
  readonly #options: OwnEntryOptions;
  #timer: NodeJS.Timeout | undefined;
  #writtenAt = -Infinity;
  #written: string | undefined;
  #pending: Pending | undefined;
  #busy = false;
  #failure: string | undefined;

  constructor(options: OwnEntryOptions) {
    this.#options = options;
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
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
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
    const text = this.#options.summary();
    if (this.#busy || text === undefined || !this.#isDue(text)) return;
    this.#busy = true;
    this.#writtenAt = performance.now();
    try {
      await this.#write(text);
      this.#failure = undefined;
    } catch (error) {
      this.#complain(error);
    }
    this.#busy = false;
  }

  #isDue(text: string): boolean {
    const now = performance.now();
    if (text === this.#written) this.#pending = undefined;
    else if (this.#pending?.text !== text) this.#pending = { text, since: now, first: this.#pending?.first ?? now };
    if (!this.#pending || now - this.#writtenAt < SHORTEST_GAP_MS) return false;
    return now - this.#pending.since >= STEADY_MS || now - this.#pending.first >= LONGEST_WAIT_MS;
  }

  /** @param text of the check; without, that what is there stays. */
  async #write(text?: string): Promise<void> {
    const { client, owner } = this.#options;
    const name = ownNodeName(owner);
    const contents = await readNode(client, name);
    if (contents) ownsNodeOrThrow(owner, contents.node);
    const operations = this.#operations(name, contents, text);
    if (operations.length > 0) {
      const { nodes, services, checks } = await commitTransaction(client, [operationsText(operations)]);
      this.#options.onCommit(Math.max(0, ...nodes.values(), ...services.values(), ...checks.values()));
    }
    this.#written = text;
  }

  #operations(name: string, contents: NodeContents | undefined, text: string | undefined): Operation[] {
    const { owner, address, port, version } = this.#options;
    const id = `${MANAGED_BY}-${owner.cluster}`;
    const node = contents?.node;
    const service = contents?.services.find((service) => service.id === id);
    const check = contents?.checks.find(({ checkId }) => checkId === id);
    const output = text ?? check?.output ?? STARTING;
    const meta = {
      [META.externalSource]: 'kubernetes',
      [META.managedBy]: MANAGED_BY,
      [META.cluster]: owner.cluster,
      [META.clusterUid]: owner.clusterUid,
      version,
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
    if (check?.output !== output || check.status !== 'passing')
      operations.push({
        Check: {
          Verb: 'cas',
          Check: {
            Node: name,
            CheckID: id,
            Name: 'Consular',
            Type: MANAGED_BY,
            Status: 'passing',
            Notes: `What Consular does for Kubernetes cluster ${owner.cluster} (uid ${owner.clusterUid}). It is rewritten when it changes, so an old one is no sign of trouble; whether Consular is alive shows in Kubernetes.`,
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

function hasMeta(found: ReadonlyMap<string, string>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => found.get(key) === value);
}

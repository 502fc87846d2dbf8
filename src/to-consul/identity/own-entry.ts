import type { Clock } from '../../clock.ts';
import type { Committer } from '../../consul/committer.ts';
import type { NodeReader } from '../../consul/node-reader.ts';
import { operationList } from '../../consul/transaction.ts';
import { explainError, type Log } from '../../observability/log.ts';
import { ClusterIdentityError, ownsNodeOrThrow } from './cluster-identity.ts';
import { entryOperations, ownNodeName, type Entry } from './entry.ts';
import type { Summary } from './summary.ts';

/** When a summary that changed is written. */
export interface EntryPace {
  /** The text changes with the cluster; a Raft entry for each change of it would be a heartbeat. */
  readonly gapMs: number;
  /** A text that changes and changes back, as in a rolling update, is not worth a write. */
  readonly steadyMs: number;
  /** Where the text never holds still, that of the moment has to do. */
  readonly longestMs: number;
  readonly tickMs: number;
}

const ENTRY_PACE: EntryPace = { gapMs: 30_000, steadyMs: 5000, longestMs: 60_000, tickMs: 1000 };

/** The address must not change while nothing else does: a restart would write the entry again. */
export interface OwnEntryOptions extends Pick<Entry, 'owner' | 'address' | 'port' | 'version'> {
  readonly nodes: Pick<NodeReader, 'read'>;
  readonly committer: Committer;
  /** What there is to say, or undefined while it is still being found out. */
  readonly summary: () => Summary | undefined;
  /** Told of the index of each write. */
  readonly onCommit: (index: number) => void;
  /** When Consul lost data, as long as that counts: the entry says it, for the next start. */
  readonly lostAt: () => Date | undefined;
  readonly log: Log;
  readonly clock: Clock;
  /** @default ENTRY_PACE */
  readonly pace?: EntryPace | undefined;
}

/** A summary that is not in Consul yet: since when it is the latest, and since when Consul has a wrong one. */
interface Pending {
  readonly summary: Summary;
  readonly since: number;
  readonly first: number;
}

/**
 * Keeps Consular's own entry in Consul's catalog. Its check says what Consular does, for whoever audits in the UI. The node
 * carries the uid of the Kubernetes cluster, so a second installation under the same name finds the name taken, even while
 * no pod is registered. The check is never written to say "still alive":
 *
 * | the summary                                        | is written                                        |
 * |----------------------------------------------------|---------------------------------------------------|
 * | is not known yet, or is what was written           | not                                               |
 * | is another, and has held still for 5 s             | when the last write is 30 s ago                   |
 * | is another, and changes all the time               | when it has been another for a minute, and the same |
 * | was written, and somebody changed the catalog since | looked at again, and written where Consul has another |
 */
export class OwnEntry {
  readonly #options: OwnEntryOptions;
  readonly #pace: EntryPace;
  #stopTicking: (() => void) | undefined;
  #writtenAt = -Infinity;
  #written: Summary | undefined;
  #pending: Pending | undefined;
  #isBusy = false;
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
      await this.#write(undefined);
    } catch (error) {
      if (error instanceof ClusterIdentityError) throw error;
      this.#complain(error);
    }
  }

  /** Keeps the summary up to date. */
  start(): void {
    this.#stopTicking = this.#options.clock.after(this.#pace.tickMs, () => {
      this.start();
      void this.#tick();
    });
  }

  stop(): void {
    this.#stopTicking?.();
  }

  /** Somebody changed something in the catalog: the entry is looked at again at the next occasion. */
  forget(): void {
    this.#written = undefined;
  }

  async #tick(): Promise<void> {
    const summary = this.#options.summary();
    if (this.#isBusy || summary === undefined || !this.#isDue(summary)) return;
    this.#isBusy = true;
    this.#writtenAt = this.#options.clock.now();
    try {
      await this.#write(summary);
      this.#failure = undefined;
    } catch (error) {
      this.#complain(error);
    }
    this.#isBusy = false;
  }

  #isDue(summary: Summary): boolean {
    const { gapMs, steadyMs, longestMs } = this.#pace;
    const now = this.#options.clock.now();
    const first = this.#pending?.first ?? now;
    if (isSame(summary, this.#written)) this.#pending = undefined;
    else if (!isSame(summary, this.#pending?.summary)) this.#pending = { summary, since: now, first };
    if (!this.#pending || now - this.#writtenAt < gapMs) return false;
    return now - this.#pending.since >= steadyMs || now - this.#pending.first >= longestMs;
  }

  async #write(summary: Summary | undefined): Promise<void> {
    const { nodes: reader, committer, owner, lostAt, onCommit } = this.#options;
    const contents = await reader.read(ownNodeName(owner));
    if (contents) ownsNodeOrThrow(owner, contents.node);
    const operations = entryOperations({ ...this.#options, lostAt: lostAt(), summary }, contents);
    if (operations.length > 0) {
      const { nodes, services, checks } = await committer.commit([operationList(operations)]);
      onCommit(Math.max(0, ...nodes.values(), ...services.values(), ...checks.values()));
    }
    this.#written = summary;
  }

  /** Once for each reason: nothing else depends on the entry. */
  #complain(error: unknown): void {
    const why = explainError(error);
    if (why !== this.#failure) this.#options.log.warn("Consular's own entry in Consul could not be written", { error });
    this.#failure = why;
  }
}

function isSame(a: Summary, b: Summary | undefined): boolean {
  return a.status === b?.status && a.output === b.output;
}

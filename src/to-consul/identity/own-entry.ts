import { inBackground } from '../../background.ts';
import { backoffMs } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import type { Committer } from '../../consul/committer.ts';
import type { Distrust } from '../../consul/distrust.ts';
import type { NodeReader } from '../../consul/node-reader.ts';
import { operationList, type Committed } from '../../consul/transaction.ts';
import { explainError, type Log } from '../../observability/log.ts';
import { isWritesOff } from '../../writes.ts';
import { ClusterIdentityError, ownsNodeOrThrow } from './cluster-identity.ts';
import { entryId, entryOperations, ownNodeName, type Entry } from './entry.ts';
import { knownEntry, testimony, type OwnWitness } from './own-witness.ts';
import type { Summary } from './summary.ts';
import { SummaryPace, type EntryPace } from './summary-pace.ts';

/** The entry is what everything else waits for: full-jitter caps of 0.5, 1, 2, 4, 5 s. */
const BACKOFF = { baseMs: 500, maxMs: 5000 };

/** The address must not change while nothing else does: a restart would write the entry again. */
export interface OwnEntryOptions extends Pick<Entry, 'owner' | 'address' | 'port' | 'version' | 'tags'> {
  readonly nodes: Pick<NodeReader, 'read'>;
  readonly committer: Pick<Committer, 'commit'>;
  readonly witness: Pick<OwnWitness, 'known' | 'trust' | 'restoredBy'>;
  readonly distrust: Pick<Distrust, 'begin' | 'loss' | 'momentOfLoss' | 'subscribe'>;
  /** What there is to say, or undefined while it is still being found out. */
  readonly summary: () => Summary | undefined;
  /** False while writes are off: then nothing is tried that would be refused. */
  readonly mayWrite?: (() => boolean) | undefined;
  /** Told of the index of each write. */
  readonly onCommit: (index: number) => void;
  /** Text that nobody else makes. */
  readonly createNonce: () => string;
  readonly log: Log;
  readonly clock: Clock;
  /** @default ENTRY_PACE */
  readonly pace?: EntryPace | undefined;
}

/**
 * Keeps Consular's own entry in Consul's catalog. Its check says what Consular does, for whoever audits in the UI. The node
 * carries the uid of the Kubernetes cluster, so a second installation under the same name finds the name taken, even while
 * no pod is registered. The entry is the witness (see OwnWitness), and remembers for the next start that Consul lost data:
 *
 * | found in Consul                                   | nonce   | time went back |
 * |---------------------------------------------------|---------|----------------|
 * | no entry, and none was known                      | new     | no             |
 * | no entry, or one without a nonce; one was known   | new     | yes            |
 * | an entry without a nonce, and none was known      | new     | no: an earlier version wrote it |
 * | an entry with another nonce than the known        | stays   | yes: another process of ours wrote it anew |
 * | an entry with the known nonce, or none was known  | stays   | no             |
 *
 * A write that comes late does no harm: all of it is `cas`, and each write begins with a consistent read. So it is applied only
 * where nothing was written since; a nonce that comes late after another was lost is another nonce than the known.
 *
 * When it is written, see SummaryPace; a lost entry and a loss of data are written at once, and tried again with a backoff.
 */
export class OwnEntry {
  readonly #options: OwnEntryOptions;
  readonly #pace: SummaryPace;
  #stopTicking: (() => void) | undefined;
  #writing: Promise<void> | undefined;
  /** Something has to be written that does not wait for its pace. */
  #isUrgent = false;
  #failures = 0;
  #retryAt = -Infinity;
  #failure: unknown;

  constructor(options: OwnEntryOptions) {
    this.#options = options;
    this.#pace = new SummaryPace(options.clock, options.pace);
    options.witness.restoredBy(() => this.#restore());
    options.distrust.subscribe(() => {
      this.#isUrgent = true;
      // The reason is kept, and told.
      this.#restore().catch(() => undefined);
    });
  }

  /** Why the entry could not be written; undefined when it could. */
  get failure(): string | undefined {
    return this.#failure === undefined ? undefined : explainError(this.#failure);
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
    }
  }

  /** Keeps the entry up to date. */
  start(): void {
    this.#stopTicking = this.#options.clock.after(this.#pace.tickMs, () => {
      this.start();
      inBackground(this.#tick());
    });
  }

  stop(): void {
    this.#stopTicking?.();
  }

  /** Says this now, before nothing is written any more. @throws what kept it from being said */
  async say(summary: Summary): Promise<void> {
    while (this.#writing) await this.#writing.catch(() => undefined);
    this.#pace.begins();
    await this.#write(summary);
  }

  /** Somebody changed something in the catalog: the entry is looked at again at the next occasion. */
  forget(): void {
    this.#pace.forget();
  }

  async #tick(): Promise<void> {
    const summary = this.#options.summary();
    const isDue = summary !== undefined && this.#pace.isDue(summary);
    const isUrgent = this.#isUrgent && this.#options.clock.now() >= this.#retryAt;
    if (this.#writing || this.#options.mayWrite?.() === false || !(isDue || isUrgent)) return;
    if (isDue) this.#pace.begins();
    // The reason is kept, and told.
    await this.#write(isDue ? summary : undefined).catch(() => undefined);
  }

  /** The entry is missing, or does not tell of a loss. @throws the last failure while it is not tried again yet */
  async #restore(): Promise<void> {
    this.#isUrgent = true;
    if (!this.#writing && this.#options.clock.now() < this.#retryAt)
      throw new Error("write Consular's own entry: failed a moment ago", { cause: this.#failure });
    await this.#write(undefined);
  }

  /** One at a time. @throws what kept the entry from being written, which is told here */
  #write(summary: Summary | undefined): Promise<void> {
    this.#writing ??= this.#writeNow(summary).finally(() => (this.#writing = undefined));
    return this.#writing;
  }

  async #writeNow(summary: Summary | undefined): Promise<void> {
    try {
      await this.#compareAndWrite(summary);
      this.#failures = 0;
      this.#failure = undefined;
    } catch (error) {
      this.#retryAt = this.#options.clock.now() + backoffMs(this.#failures++, BACKOFF);
      this.#complain(error);
      throw error;
    }
  }

  async #compareAndWrite(summary: Summary | undefined): Promise<void> {
    const { createNonce, nodes, committer, owner, distrust, witness } = this.#options;
    const before = witness.known;
    const contents = await nodes.read(ownNodeName(owner), true);
    if (before && testimony(owner, before, contents) === 'older') distrust.begin('older-entry');
    if (contents) ownsNodeOrThrow(owner, contents.node);
    const found = knownEntry(owner, contents);
    const nonce = found?.nonce ?? createNonce();
    const isLost = witness.known !== undefined && witness.known.nonce !== nonce;
    const { loss } = distrust;
    const lostAt = isLost ? distrust.momentOfLoss() : loss?.at;
    const operations = entryOperations({ ...this.#options, nonce, lostAt, summary }, contents);
    const committed = operations.length > 0 ? await committer.commit([operationList(operations)]) : undefined;
    // Not before it is written: an entry that is hidden from a token without rights is not lost.
    if (isLost) distrust.begin('own-entry-lost', lostAt);
    if (committed) this.#options.onCommit(highestOf(committed));
    witness.trust({
      nonce,
      nodeIndex: committed?.nodes.get(ownNodeName(owner)) ?? found?.nodeIndex ?? 0,
      serviceIndex: committed?.services.get(entryId(owner)) ?? found?.serviceIndex ?? 0,
    });
    if (summary) this.#pace.written(summary);
    // An entry that is new says no more than that Consular is starting.
    else if (nonce !== found?.nonce) this.#pace.forget();
    // A loss that was noticed meanwhile is not written yet.
    if (isLost || distrust.loss === loss) this.#isUrgent = false;
  }

  /** Once for each reason; not that writes are off, which is told elsewhere. */
  #complain(error: unknown): void {
    if (isWritesOff(error)) return;
    const why = explainError(error);
    if (why !== this.failure) this.#options.log.warn("Consular's own entry in Consul could not be written", { error });
    this.#failure = error;
  }
}

function highestOf({ nodes, services, checks }: Committed): number {
  return Math.max(0, ...nodes.values(), ...services.values(), ...checks.values());
}

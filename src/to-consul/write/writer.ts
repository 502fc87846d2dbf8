import { inBackground } from '../../background.ts';
import type { Clock } from '../../clock.ts';
import type { Committer } from '../../consul/committer.ts';
import type { DeniedRights } from '../../consul/denied-rights.ts';
import { ConsulError, mayHaveBeenApplied, NotApplied, TransactionConflict } from '../../consul/errors.ts';
import { Failures } from '../../consul/failures.ts';
import type { Committed } from '../../consul/transaction.ts';
import type { Log } from '../../observability/log.ts';
import type { Owner } from '../../mark.ts';
import type { RetryBrake } from '../../retry-brake.ts';
import { isWritesOff } from '../../writes.ts';
import type { Touched } from '../observed/own-catalog.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import { appliedOf } from './applied.ts';
import { composeBatch, touchedBy, type Batch } from './batch.ts';
import { Burst } from './burst.ts';
import { BusyNodes } from './busy-nodes.ts';
import { Doubts } from './doubts.ts';
import type { Group, OwnBefore } from './group.ts';
import { isLower, limitsAfter413, mostAfter413, limitsOf, type Limits } from './limits.ts';
import type { PodChanges } from './operations.ts';
import { piecesOf } from './parts.ts';
import { recordCommit, type OwnAfter } from './record-commit.ts';
import { Recovery, type ReadableNodes } from './recovery.ts';
import { Submissions } from './submissions.ts';

/** With one transaction on its way and one being applied, Consul never waits for us. */
const MOST_IN_FLIGHT = 2;
const GATHER_MS = 20;
/** Full-jitter caps of 0.1, 0.2, 0.4 ... 12.8, 15 s. */
const BACKOFF = { baseMs: 100, maxMs: 15_000 };

/** Our picture of Consul, as far as the writer looks at it and keeps it up to date. */
export interface WrittenCatalog extends OwnBefore, OwnAfter, ReadableNodes {
  /** By `node/id`. */
  ofPod(podKey: string): ReadonlyMap<string, OwnInstance>;
  commitBegins(touched: Touched): void;
  /** @param isIndexKnown whether Consul told the index of what it wrote: of removals it does not */
  commitEnds(touched: Touched, isIndexKnown: boolean): void;
}

export interface WriterOptions {
  readonly committer: Committer;
  readonly owner: Owner;
  readonly own: WrittenCatalog;
  /** What to write for a key, from the latest state; asked at the moment of sending. */
  readonly plan: (key: string) => PodChanges;
  /** Told what Consul took for a key. */
  readonly onCommitted: (key: string, changes: PodChanges) => void;
  /** Keys for which Consul turned out to have something else than was written: each has to be looked at. */
  readonly onDrift: (keys: Iterable<string>) => void;
  /** Operations that this Consul takes in one transaction. */
  readonly limit: number;
  /** Told what Consul refuses for want of a right: from then on no plan has that. */
  readonly denied: Pick<DeniedRights, 'deny'>;
  readonly brake: Pick<RetryBrake, 'tryTake'>;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * Writes keys to Consul by group commit:
 * - with no transaction in flight a key goes out at once; with two in flight, keys gather and go out together;
 * - in a burst, what is less than half a transaction gathers for 20 ms; see Burst;
 * - a batch is composed when it is sent, from the latest state, so the last state of a key wins by itself;
 * - the operations of a key are one group; a batch holds as many groups as the limits allow. A group that is more than a
 *   transaction goes in parts, each composed from what the part before left to do, with the other keys between them;
 * - a node is created in the transaction of its first instance; groups that need a node which another transaction is
 *   creating wait for that one;
 * - 409: nothing was applied; the nodes of the refused groups are read again and everything is composed anew, while the
 *   brake lets it, or else the refused keys go back to the queue; what the ACLs deny is told to `denied`, and the keys are composed
 *   anew without it;
 * - 409 for creations on several nodes where the read after it finds nothing: Consul contradicts itself, and everything waits with
 *   backoff; see Contradictions;
 * - 413: the limits halve, until the restart; what is too large alone, and cannot be split, costs only itself;
 * - 429, 5xx and lost connections: everything waits with backoff and is composed anew. Where the transaction may have been
 *   applied all the same, its nodes rest beyond that, until it cannot be applied later and they were read again: what it wrote
 *   is then known, and neither written twice nor forgotten; see Doubts;
 * - writes are off: the keys go back to the queue, which keeps them until writes are on.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #submissions = new Submissions();
  readonly #nodes = new BusyNodes();
  readonly #burst = new Burst();
  readonly #recovery: Recovery;
  readonly #doubts: Doubts;
  /** What can be sent at all. */
  #most: Limits;
  #limits: Limits;
  readonly #failures = new Failures(BACKOFF);
  #inFlight = 0;
  #isFlushScheduled = false;
  /** Ends the pause. Nothing is sent while there is one. */
  #pause: (() => void) | undefined;
  #isStopped = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#most = limitsOf(options.limit);
    this.#limits = this.#most;
    this.#recovery = new Recovery({ ...options, submissions: this.#submissions });
    this.#doubts = new Doubts({
      ...options,
      readAgain: (nodes) => this.#recovery.readAgain(nodes),
      onEnd: () => this.#wake(),
    });
  }

  /** Resolves when Consul has what the key's latest state wants. A key must not be submitted twice at a time. */
  submit(key: string): Promise<void> {
    if (this.#isStopped) return Promise.reject(new Error(`write ${key} to Consul: stopped before it was sent`));
    const settled = this.#submissions.add(key);
    this.#scheduleFlush();
    return settled;
  }

  /** Whether a key that is submitted now has to wait until a transaction comes back. */
  get isFull(): boolean {
    return this.#inFlight === MOST_IN_FLIGHT;
  }

  /**
   * Keeps transactions off a node until the returned function is called: what needs the node waits. Undefined when a
   * transaction that touches the node is on its way, or when nobody knows what became of one.
   */
  reserve(node: string): (() => void) | undefined {
    const release = this.#isStopped || this.#doubts.hasNode(node) ? undefined : this.#nodes.reserve(node);
    return (
      release &&
      (() => {
        release();
        this.#wake();
      })
    );
  }

  /** What failed may be over: what waits to be tried again is tried now. */
  lookAgain(): void {
    this.#pause?.();
    this.#pause = undefined;
    this.#scheduleFlush();
  }

  /** Why nothing that Consul says of our entries is trusted; undefined when it is. */
  get failure(): string | undefined {
    return this.#recovery.contradiction;
  }

  /** Sends nothing more; what is in flight ends by itself. */
  stop(): void {
    this.#isStopped = true;
    this.#pause?.();
    this.#doubts.stop();
    this.#submissions.wake();
    for (const key of [...this.#submissions.waitingKeys()])
      this.#submissions.settle(key, new Error(`write ${key} to Consul: stopped before it was sent`));
  }

  /** What rested may be written. */
  #wake(): void {
    this.#submissions.wake();
    this.#scheduleFlush();
  }

  /** Once per turn of the event loop: the keys of one burst of events then share a transaction. */
  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    setImmediate(() => {
      this.#isFlushScheduled = false;
      if (!this.#pause) this.#flush();
    });
  }

  /** @param gathered whether what is waiting now has waited long enough */
  #flush(gathered = false): void {
    for (let ripe = gathered; !this.#isStopped && this.#inFlight < MOST_IN_FLIGHT; ripe = false) {
      const { waiting } = this.#submissions;
      if (waiting === 0) return this.#nothingWaits();
      if (!ripe && waiting < this.#limits.operations / 2 && this.#burst.isOn(this.#options.clock.now()))
        return this.#flushAfter(GATHER_MS);
      const batch = this.#compose();
      for (const [key, error] of batch.settled) this.#submissions.settle(key, error);
      for (const key of batch.resting) this.#submissions.rest(key);
      if (batch.groups.length === 0) return;
      inBackground(this.#send(batch));
    }
  }

  #nothingWaits(): void {
    if (this.#inFlight === 0) this.#recovery.forgetContradictions();
  }

  #compose(): Batch {
    const { owner, own, plan } = this.#options;
    const resting = {
      hasKey: (key: string) => this.#doubts.hasKey(key),
      hasNode: (name: string) => this.#doubts.hasNode(name) || this.#nodes.reserved.has(name),
    };
    const source = { owner, own, plan, resting, closedNodes: this.#nodes.closed };
    return composeBatch(this.#submissions.waitingKeys(), source, this.#limits, this.#most);
  }

  #flushAfter(ms: number): void {
    this.#pause?.();
    this.#pause = this.#options.clock.after(ms, () => {
      this.#pause = undefined;
      this.#flush(true);
    });
  }

  async #send(batch: Batch): Promise<void> {
    const { committer, own } = this.#options;
    const touched = touchedBy(batch);
    let isIndexKnown = false;
    this.#inFlight++;
    for (const { key } of batch.groups) this.#submissions.goesOut(key);
    this.#nodes.transactionBegins(touched, batch.nodes);
    own.commitBegins(touched);
    try {
      const committed = await committer.commit(batch.groups);
      isIndexKnown = committed.nodes.size + committed.services.size + committed.checks.size > 0;
      this.#committed(batch, committed);
    } catch (error) {
      await this.#recover(batch, touched, error);
    } finally {
      own.commitEnds(touched, isIndexKnown);
      this.#nodes.transactionEnds(touched, batch.nodes);
      this.#inFlight--;
      for (const { key } of batch.groups) this.#comesBack(key);
      this.#scheduleFlush();
    }
  }

  #comesBack(key: string): void {
    this.#submissions.comesBack(key);
    if (this.#isStopped)
      this.#submissions.settle(key, new Error(`write ${key} to Consul: stopped before it was sent again`));
  }

  #committed({ groups }: Batch, committed: Committed): void {
    const { clock, own, onCommitted } = this.#options;
    this.#failures.end();
    this.#recovery.forgetContradictions();
    this.#burst.add(groups.length, clock.now());
    for (const group of groups) {
      recordCommit(own, group, committed);
      onCommitted(group.key, group.changes);
      if (group.isWhole) this.#submissions.settle(group.key);
      else this.#submissions.goesOn(group.key);
    }
  }

  async #recover({ groups, size }: Batch, touched: Touched, error: unknown): Promise<void> {
    const { log } = this.#options;
    if (error instanceof TransactionConflict) {
      log.debug('transaction refused, reading again', { groups: groups.length, error });
      await this.#recovery.afterConflict(groups, error);
      if (this.failure !== undefined) this.#rest(error);
      return;
    }
    if (error instanceof ConsulError && error.status === 413) {
      const lower = limitsAfter413(this.#limits, size, error);
      const [only, ...others] = groups;
      const isAlone = only !== undefined && others.length === 0;
      if (isAlone && !(piecesOf(only.changes).length > 1 && isLower(lower, this.#limits))) {
        this.#most = mostAfter413(this.#most, size, error);
        return this.#submissions.settle(only.key, error);
      }
      this.#limits = lower;
    }
    if (isWritesOff(error)) {
      for (const { key } of groups) this.#submissions.settle(key, error);
      return;
    }
    if (error instanceof NotApplied) return this.#rest(error.cause);
    if (mayHaveBeenApplied(error)) {
      const keys = groups.map(({ key }) => key);
      this.#doubts.add(touched.keys(), keys, () => this.#tellApplied(groups));
    }
    this.#rest(error);
  }

  /** Nobody told what became of them, and what Consul has shows it. */
  #tellApplied(groups: readonly Group[]): void {
    const { own, onCommitted } = this.#options;
    for (const { key, changes } of groups) {
      const applied = appliedOf(changes, own.ofPod(key));
      if (applied) onCommitted(key, applied);
    }
  }

  /** Sends nothing for a while. */
  #rest(error: unknown): void {
    const wait = this.#failures.next(error);
    this.#options.log.warn('transaction failed, will compose and send it anew', {
      retryInMs: Math.round(wait),
      ...(this.failure === undefined ? {} : { why: this.failure }),
      error,
    });
    if (!this.#isStopped) this.#flushAfter(wait);
  }
}

import { backoffMs } from '../../backoff.ts';
import type { ConsulClient } from '../../consul/client.ts';
import { ConsulError, TransactionConflict } from '../../consul/errors.ts';
import { commitTransaction, type Committed } from '../../consul/transaction.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { Owner } from '../../mark.ts';
import { composeBatch, refusedGroups, touchedBy, type Batch, type Group } from './batch.ts';
import { LateWrites } from './late-writes.ts';
import { AdaptiveLimits } from './limits.ts';
import type { OwnCatalog, Touched } from '../observed/own-catalog.ts';
import { nodesTouched, recordCommit, type PodChanges } from './operations.ts';

/** With one transaction on its way and one being applied, Consul never waits for us. */
const MOST_IN_FLIGHT = 2;
/** Consul's limit for a transaction's body is 512 KiB. */
const MOST_BYTES = 400 * 1024;
/** Above this many changes in a second, a pause fills the transactions: fewer Raft entries, fewer wakes for everybody. */
const BURST_CHANGES = 50;
const GATHER_MS = 40;
const BACKOFF = { baseMs: 100, maxMs: 15_000 };
/** A group that loses its race more often in a row goes back to the queue, which slows it down. */
const MOST_CONFLICTS = 3;

export interface WriterOptions {
  readonly client: ConsulClient;
  readonly owner: Owner;
  readonly own: OwnCatalog;
  /** What to write for a key, from the latest state; asked at the moment of sending. */
  readonly plan: (key: string) => PodChanges;
  /** Keys for which Consul turned out to have something else than was written: somebody has to look at them. */
  readonly onDrift: (keys: Iterable<string>) => void;
  /** Operations that this Consul takes in one transaction. */
  readonly limit: number;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface Submitted {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  conflicts: number;
  inFlight: boolean;
}

/**
 * Writes keys to Consul by group commit:
 * - with no transaction in flight a key goes out at once; with two in flight, keys gather and go out together;
 * - a batch is composed when it is sent, from the latest state, so the last state of a key wins by itself;
 * - the operations of a key are one group that never splits; a batch holds as many groups as the limits allow;
 * - a node is created in the transaction of its first instance; groups that need a node which another transaction is
 *   creating wait for that one;
 * - 409: nothing was applied; the nodes of the refused groups are read again and everything is composed anew; a key that
 *   the ACLs deny goes back to the queue, and from then on without others, which it would only make go twice;
 * - 413: the limits halve, for a while; a group that is too large alone costs only itself;
 * - 429, 5xx and lost connections: everything waits with backoff and is composed anew. Where the transaction may have been
 *   applied all the same, its nodes are read again first: what it wrote is then known, and neither written twice nor
 *   forgotten. What it would write later is made to fail; see LateWrites.
 */
export class Writer {
  readonly #options: WriterOptions;
  /** In order of submission; a key stays until Consul has what it wants, or until it has to go back to the queue. */
  readonly #submitted = new Map<string, Submitted>();
  #keysInFlight = 0;
  /** Keys whose last try was refused because a right is missing. */
  readonly #denied = new Set<string>();
  readonly #nodesInFlight = new Set<string>();
  /** The nodes that each transaction on its way touches. */
  readonly #touched = new Set<Touched>();
  /** Nodes with a write of which nobody knows whether it was applied. */
  readonly #uncertain = new Set<string>();
  readonly #recent: { readonly at: number; readonly changes: number }[] = [];
  readonly #late = new LateWrites();
  readonly #limits: AdaptiveLimits;
  #inFlight = 0;
  #failures = 0;
  #flushScheduled = false;
  /** Nothing is sent while it is there. */
  #pause: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#limits = new AdaptiveLimits({ operations: options.limit, bytes: MOST_BYTES });
  }

  /** Resolves when Consul has what the key's latest state wants. A key must not be submitted twice at a time. */
  submit(key: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#submitted.set(key, { resolve, reject, conflicts: 0, inFlight: false });
      this.#scheduleFlush();
    });
  }

  /**
   * Keeps transactions off a node until the returned function is called: what needs the node waits. Undefined when one that
   * touches it is on its way, or when nobody knows what became of one.
   */
  reserve(node: string): (() => void) | undefined {
    const isTouched = [...this.#touched].some((nodes) => nodes.has(node));
    if (this.#stopped || isTouched || this.#uncertain.has(node) || this.#nodesInFlight.has(node)) return undefined;
    this.#nodesInFlight.add(node);
    return () => {
      this.#nodesInFlight.delete(node);
      this.#scheduleFlush();
    };
  }

  /** Sends nothing more; what is in flight ends by itself. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#pause);
    for (const key of [...this.#waiting()])
      this.#settle(key, new Error(`write ${key} to Consul: stopped before it was sent`));
  }

  /** In order of submission. */
  *#waiting(): Generator<string> {
    for (const [key, { inFlight }] of this.#submitted) if (!inFlight) yield key;
  }

  /** Once per turn of the event loop: the keys of one burst of events then share a transaction. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      if (!this.#pause) this.#flush();
    });
  }

  /** @param gathered that what is waiting now has waited long enough */
  #flush(gathered = false): void {
    for (let ripe = gathered; !this.#stopped && this.#inFlight < MOST_IN_FLIGHT; ripe = false) {
      const waiting = this.#submitted.size - this.#keysInFlight;
      if (waiting === 0) return;
      if (!ripe && this.#shouldGather(waiting)) return this.#flushAfter(GATHER_MS);
      const source = {
        ...this.#options,
        late: this.#late,
        nodesInFlight: this.#nodesInFlight,
        denied: this.#denied,
      };
      const batch = composeBatch(this.#waiting(), source, this.#limits.current, this.#limits.most);
      for (const [key, error] of batch.settled) this.#settle(key, error);
      if (batch.groups.length === 0) return;
      void this.#send(batch);
    }
  }

  #flushAfter(ms: number): void {
    clearTimeout(this.#pause);
    const pause = setTimeout(() => {
      void this.#readUncertain().then((known) => {
        // A transaction that failed in the meantime has paused anew.
        if (this.#pause !== pause || this.#stopped) return;
        this.#pause = undefined;
        if (known) this.#flush(true);
        else this.#flushAfter(backoffMs(this.#failures++, BACKOFF));
      });
    }, ms);
    this.#pause = pause;
  }

  /** True in a burst, while less than a full transaction is waiting. */
  #shouldGather(waiting: number): boolean {
    const since = performance.now() - 1000;
    while (this.#recent[0] && this.#recent[0].at < since) this.#recent.shift();
    const changes = this.#recent.reduce((sum, batch) => sum + batch.changes, 0);
    return changes > BURST_CHANGES && waiting < this.#limits.current.operations / 2;
  }

  async #send(batch: Batch): Promise<void> {
    const { client, own, metrics } = this.#options;
    const touched = touchedBy(batch);
    this.#mark(batch, true);
    this.#touched.add(touched);
    own.commitBegins(touched);
    let isIndexKnown = false;
    const endTimer = metrics.consulTransactionSeconds.startTimer();
    try {
      const texts = batch.groups.map(({ text }) => text);
      const committed = await commitTransaction(client, texts);
      isIndexKnown = committed.nodes.size + committed.services.size + committed.checks.size > 0;
      this.#committed(batch, committed);
      metrics.consulOperations.inc(batch.size.operations);
    } catch (error) {
      await this.#recover(batch, touched, error);
    } finally {
      endTimer();
      this.#touched.delete(touched);
      own.commitEnds(touched, isIndexKnown);
      this.#mark(batch, false);
      this.#scheduleFlush();
    }
  }

  #mark({ groups, nodes }: Batch, inFlight: boolean): void {
    this.#inFlight += inFlight ? 1 : -1;
    this.#keysInFlight += inFlight ? groups.length : -groups.length;
    for (const node of nodes) {
      if (inFlight) this.#nodesInFlight.add(node);
      else this.#nodesInFlight.delete(node);
    }
    for (const { key } of groups) {
      const submitted = this.#submitted.get(key);
      if (submitted) submitted.inFlight = inFlight;
      if (submitted && !inFlight && this.#stopped)
        this.#settle(key, new Error(`write ${key} to Consul: stopped before it was sent again`));
    }
  }

  #committed({ groups }: Batch, committed: Committed): void {
    const { own, metrics } = this.#options;
    this.#failures = 0;
    this.#limits.committed();
    this.#recent.push({ at: performance.now(), changes: groups.length });
    metrics.consulTransactions.inc({ outcome: 'committed' });
    for (const { key, changes, operations } of groups) {
      recordCommit(own, key, changes, operations, committed);
      this.#late.review(key, own.ofPod(key));
      this.#settle(key);
    }
  }

  async #recover({ groups, size }: Batch, touched: Touched, error: unknown): Promise<void> {
    const { log, metrics } = this.#options;
    if (error instanceof TransactionConflict) {
      metrics.consulTransactions.inc({ outcome: 'conflict' });
      log.debug('transaction refused, reading again', { groups: groups.length, error });
      return this.#afterConflict(groups, error);
    }
    metrics.consulTransactions.inc({ outcome: 'failed' });
    const isTooLarge = error instanceof ConsulError && error.status === 413;
    const [only, ...others] = groups;
    if (isTooLarge && only && others.length === 0) return this.#settle(only.key, error);
    if (isTooLarge) this.#limits.refused(size, error);
    if (!(error instanceof ConsulError) || error.isOutcomeUnknown) {
      for (const node of touched.keys()) this.#uncertain.add(node);
      for (const { key, operations } of groups) this.#late.add(key, operations);
    }
    const wait = backoffMs(this.#failures++, BACKOFF);
    log.warn('transaction failed, will compose and send it anew', {
      groups: groups.length,
      failures: this.#failures,
      retryInMs: Math.round(wait),
      error,
    });
    if (!this.#stopped) this.#flushAfter(wait);
  }

  /** Nothing was applied. The refused groups are looked at again in the catalog, the others only had bad company. */
  async #afterConflict(groups: readonly Group[], conflict: TransactionConflict): Promise<void> {
    const refused = refusedGroups(groups, conflict);
    const nodes = new Set([...refused].flatMap(({ changes }) => nodesTouched(changes)));
    const isFinal = conflict.isDenied || !(await this.#readAgain(nodes));
    for (const { key } of refused) {
      if (conflict.isDenied) this.#denied.add(key);
      const submitted = this.#submitted.get(key);
      if (submitted && (++submitted.conflicts > MOST_CONFLICTS || isFinal)) this.#settle(key, conflict);
    }
  }

  /** False when what Consul has is still not known. */
  async #readUncertain(): Promise<boolean> {
    const nodes = new Set(this.#uncertain);
    const known = nodes.size === 0 || (await this.#readAgain(nodes));
    if (known) for (const node of nodes) this.#uncertain.delete(node);
    return known;
  }

  async #readAgain(nodes: ReadonlySet<string>): Promise<boolean> {
    const { log, onDrift, own } = this.#options;
    try {
      for (const node of nodes) own.touch(node);
      await Promise.all([...nodes].map(async (node) => onDrift(await own.refresh(node))));
      return true;
    } catch (error) {
      log.warn('Consul nodes could not be read again', { nodes: nodes.size, error });
      return false;
    }
  }

  #settle(key: string, error?: unknown): void {
    const submitted = this.#submitted.get(key);
    this.#submitted.delete(key);
    if (error === undefined) this.#denied.delete(key);
    if (error === undefined) submitted?.resolve();
    else submitted?.reject(error);
  }
}

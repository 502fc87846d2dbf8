import { backoffMs } from '../backoff.ts';
import type { ConsulClient } from '../consul/client.ts';
import { ConsulError, TransactionConflict } from '../consul/errors.ts';
import { commitTransaction, type Operation } from '../consul/transaction.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { isEmpty } from '../reconcile/changes.ts';
import { META, type Owner } from '../reconcile/mark.ts';
import type { OwnCatalog } from './observed.ts';
import { nodeOperation, nodesNeeded, nodesTouched, recordCommit, toOperations, type PodChanges } from './operations.ts';

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
  /** Operations that this Consul takes in one transaction. */
  readonly limit: number;
  readonly log: Log;
  readonly metrics: Metrics;
}

class WriterStopped extends Error {
  constructor() {
    super('write to Consul: stopped before it was sent');
  }
}

interface Pending {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  conflicts: number;
}

interface Group {
  readonly key: string;
  readonly changes: PodChanges;
  readonly pending: Pending;
  readonly operations: readonly Operation[];
}

/**
 * Writes keys to Consul by group commit:
 * - with no transaction in flight a key goes out at once; with two in flight, keys gather and go out together;
 * - a batch is composed when it is sent, from the latest state, so the last state of a key wins by itself;
 * - the operations of a key are one group that never splits; a batch holds as many groups as the limits allow;
 * - a node is created in the transaction of its first instance; groups that need a node which another transaction is
 *   creating wait for that one;
 * - 409: nothing was applied; the nodes of the refused groups are read again and everything is composed anew;
 * - 413: the limits halve; 429, 5xx and lost connections: everything waits with backoff and is composed anew. A reply
 *   that was lost after its commit shows as a 409 then, and the new reading finds nothing left to do.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #creatingNodes = new Set<string>();
  readonly #recent: { readonly at: number; readonly changes: number }[] = [];
  #inFlight = 0;
  #failures = 0;
  #maxOperations: number;
  #maxBytes = MOST_BYTES;
  #flushScheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#maxOperations = options.limit;
  }

  /** Resolves when Consul has what the key's latest state wants. A key must not be submitted twice at a time. */
  submit(key: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.set(key, { resolve, reject, conflicts: 0 });
      this.#scheduleFlush();
    });
  }

  /** Sends nothing more; what is in flight ends by itself. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const { reject } of this.#pending.values()) reject(new WriterStopped());
    this.#pending.clear();
  }

  /** Once per turn of the event loop: the keys of one burst of events then share a transaction. */
  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#timer || this.#stopped) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (!this.#stopped && this.#inFlight < MOST_IN_FLIGHT && this.#pending.size > 0) {
      if (this.#shouldGather()) return this.#flushAfter(GATHER_MS);
      const groups = this.#compose();
      if (groups.length === 0) return;
      void this.#send(groups);
    }
  }

  #flushAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#recent.length = 0;
      this.#flush();
    }, ms);
  }

  /** True in a burst, while less than a full transaction is waiting. */
  #shouldGather(): boolean {
    const since = performance.now() - 1000;
    while (this.#recent[0] && this.#recent[0].at < since) this.#recent.shift();
    const changes = this.#recent.reduce((sum, batch) => sum + batch.changes, 0);
    return changes > BURST_CHANGES && this.#pending.size < this.#maxOperations / 2;
  }

  /** Takes groups out of the waiting keys, in order, as many as fit. */
  #compose(): Group[] {
    const groups: Group[] = [];
    const newNodes = new Set<string>();
    let operations = 0;
    let bytes = 0;
    for (const [key, pending] of this.#pending) {
      const group = this.#composeGroup(key, pending, newNodes);
      if (!group) continue;
      const size = Buffer.byteLength(JSON.stringify(group.operations));
      const full = operations + group.operations.length > this.#maxOperations || bytes + size > this.#maxBytes;
      if (full && groups.length > 0) break;
      if (full) {
        this.#settle(
          key,
          new Error(
            `write ${key} to Consul: ${group.operations.length} operations of ${size} bytes do not fit in one transaction`,
          ),
        );
        continue;
      }
      operations += group.operations.length;
      bytes += size;
      for (const operation of group.operations) if ('Node' in operation) newNodes.add(operation.Node.Node.Node);
      groups.push(group);
    }
    for (const { key } of groups) this.#pending.delete(key);
    for (const node of newNodes) this.#creatingNodes.add(node);
    return groups;
  }

  /** The key's group; undefined when there is nothing to write, or not yet. */
  #composeGroup(key: string, pending: Pending, newNodes: ReadonlySet<string>): Group | undefined {
    const { own, owner, plan } = this.#options;
    const changes = plan(key);
    if (isEmpty(changes)) return void this.#settle(key);
    const nodes = new Map<string, Operation>();
    for (const node of nodesNeeded(changes)) {
      if (this.#creatingNodes.has(node.name)) return undefined;
      const known = own.node(node.name);
      if (known.state === 'refused') return void this.#settle(key, new Error(`register ${key}: ${known.why}`));
      if (known.state === 'ours' && known.address === node.address) continue;
      if (!newNodes.has(node.name))
        nodes.set(node.name, nodeOperation(owner, node, known.state === 'ours' ? known.modifyIndex : 0));
    }
    return { key, changes, pending, operations: [...nodes.values(), ...toOperations(changes)] };
  }

  async #send(groups: readonly Group[]): Promise<void> {
    const { client, own, metrics } = this.#options;
    const operations = groups.flatMap((group) => group.operations);
    const touched = new Set(groups.flatMap(({ changes }) => nodesTouched(changes)));
    this.#inFlight++;
    for (const node of touched) own.touch(node);
    const endTimer = metrics.consulRequestSeconds.startTimer();
    try {
      const committed = await commitTransaction(client, operations);
      this.#failures = 0;
      this.#recent.push({ at: performance.now(), changes: groups.length });
      metrics.consulTransactions.inc({ outcome: 'committed' });
      metrics.consulOperations.inc(operations.length);
      for (const operation of operations) {
        if (!('Node' in operation)) continue;
        const { Node: name, Address: address } = operation.Node.Node;
        own.nodeWritten({ name, address }, committed.nodes.get(name) ?? 0);
      }
      for (const { key, changes, pending } of groups) {
        recordCommit(own, key, (registration) => registration.meta.get(META.podUid) ?? '', changes, committed);
        pending.resolve();
      }
    } catch (error) {
      await this.#recover(groups, operations, error);
    } finally {
      endTimer();
      for (const node of touched) own.touch(node);
      for (const operation of operations) if ('Node' in operation) this.#creatingNodes.delete(operation.Node.Node.Node);
      this.#inFlight--;
      this.#scheduleFlush();
    }
  }

  async #recover(groups: readonly Group[], operations: readonly Operation[], error: unknown): Promise<void> {
    const { log, metrics } = this.#options;
    if (error instanceof TransactionConflict) {
      metrics.consulTransactions.inc({ outcome: 'conflict' });
      log.debug('transaction refused, reading again', { groups: groups.length, error });
      return this.#afterConflict(groups, operations, error);
    }
    if (error instanceof ConsulError && error.status === 413) {
      this.#maxOperations = Math.max(4, Math.floor(this.#maxOperations / 2));
      this.#maxBytes = Math.max(16 * 1024, Math.floor(this.#maxBytes / 2));
    }
    const wait = backoffMs(this.#failures++, BACKOFF);
    metrics.consulTransactions.inc({ outcome: 'failed' });
    log.warn('transaction failed, will compose and send it anew', {
      groups: groups.length,
      failures: this.#failures,
      retryInMs: Math.round(wait),
      error,
    });
    this.#putBack(groups);
    this.#flushAfter(wait);
  }

  /** Nothing was applied. The refused groups are looked at again in the catalog, the others only had bad company. */
  async #afterConflict(
    groups: readonly Group[],
    operations: readonly Operation[],
    conflict: TransactionConflict,
  ): Promise<void> {
    const refused = refusedGroups(groups, operations, conflict);
    const nodes = new Set([...refused].flatMap(({ changes }) => nodesTouched(changes)));
    try {
      for (const node of nodes) this.#options.own.touch(node);
      await Promise.all([...nodes].map((node) => this.#options.own.refresh(node)));
    } catch (error) {
      for (const group of refused) group.pending.conflicts = MOST_CONFLICTS;
      this.#options.log.warn('nodes could not be read again', { nodes: [...nodes].slice(0, 5), error });
    }
    for (const group of refused) {
      if (++group.pending.conflicts > MOST_CONFLICTS) group.pending.reject(conflict);
    }
    this.#putBack(groups.filter((group) => group.pending.conflicts <= MOST_CONFLICTS));
  }

  /** Before everything that came later. */
  #putBack(groups: readonly Group[]): void {
    if (this.#stopped) return groups.forEach(({ pending }) => pending.reject(new WriterStopped()));
    const later = [...this.#pending];
    this.#pending.clear();
    for (const { key, pending } of groups) this.#pending.set(key, pending);
    for (const [key, pending] of later) this.#pending.set(key, pending);
  }

  #settle(key: string, error?: Error): void {
    const pending = this.#pending.get(key);
    this.#pending.delete(key);
    if (error) pending?.reject(error);
    else pending?.resolve();
  }
}

/** The groups that Consul named; all of them when it named none that we sent. A refused node takes all who need it. */
function refusedGroups(
  groups: readonly Group[],
  operations: readonly Operation[],
  conflict: TransactionConflict,
): Set<Group> {
  const failed = new Set(conflict.failures.map(({ index }) => operations[index]));
  const refused = new Set(groups.filter((group) => group.operations.some((operation) => failed.has(operation))));
  const nodes = new Set(
    [...failed].flatMap((operation) => (operation && 'Node' in operation ? [operation.Node.Node.Node] : [])),
  );
  for (const group of groups) if (nodesNeeded(group.changes).some(({ name }) => nodes.has(name))) refused.add(group);
  return refused.size > 0 ? refused : new Set(groups);
}

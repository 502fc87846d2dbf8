import { sleep } from '../backoff.ts';
import { ruleFor } from '../consul/rights.ts';
import type { Clock } from '../clock.ts';
import type { Fencing } from '../consul/committer.ts';
import type { Distrust } from '../consul/distrust.ts';
import { FenceRefused, isDenied, mayHaveBeenApplied, orNotApplied, TransactionConflict } from '../consul/errors.ts';
import { keyCheck, type KeyValue, type StoredKey } from '../consul/key-value.ts';
import type { Committed, KeyCheck } from '../consul/transaction.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Owner } from '../mark.ts';
import { Displaced, FenceOfAnotherCluster, twoInstallations } from './fence-errors.ts';
import {
  fenceKey,
  isEpoch,
  isOlderLease,
  judgeRecord,
  readRecord,
  writeRecord,
  type FenceRecord,
  type LeaseMark,
} from './fence-record.ts';
import { Trouble } from './trouble.ts';
import { Turns } from './turns.ts';

export interface FenceOptions {
  readonly keyValue: Pick<KeyValue, 'read' | 'swap'>;
  readonly owner: Owner;
  /** Another for each process. */
  readonly holder: string;
  readonly distrust: Pick<Distrust, 'begin'>;
  /**
   * The Lease by which this process leads, as the API server has it now; undefined without an election.
   * @throws Error when it is another's, or cannot be read
   */
  readonly confirmLease: (() => Promise<LeaseMark>) | undefined;
  /** Called once, when another process holds the fence: this one is to write nothing any more, anywhere. */
  readonly onDisplaced: (error: Displaced) => void;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'fenced' | 'timeWentBack'>;
  readonly clock: Clock;
  /** Ends every wait. */
  readonly signal: AbortSignal;
  /** @default LATEST_WRITE_MS */
  readonly latestWriteMs?: number | undefined;
}

/**
 * How long a request may still be applied after its answer did not come: a write is given up after 15 s, and Consul's
 * servers hold a request that finds no leader for 7 s (`rpc_hold_timeout`) before they try to apply it; the rest is room.
 */
export const LATEST_WRITE_MS = 35_000;

type Standing =
  | { readonly kind: 'not taken' }
  | {
      readonly kind: 'held';
      readonly record: FenceRecord;
      readonly index: number;
      /** A transaction may still be applied that began with this index. */
      readonly isOpen: boolean;
    }
  /** The token has no right to the key, and never had. Whoever wrote an epoch above the highest that was seen is newer. */
  | { readonly kind: 'unfenced'; readonly why: string; readonly seen: number }
  | { readonly kind: 'displaced'; readonly error: Displaced };

/**
 * The fence: a key of Consul that its holder alone moves, and whose index stands at the beginning of each transaction. So a
 * transaction that comes late, of this process or of one before it, changes nothing:
 *
 * | what happens                                     | what is done                                                        |
 * |--------------------------------------------------|---------------------------------------------------------------------|
 * | the outcome of a transaction is unknown          | when no other is on its way any more, the epoch moves before the next |
 * | the outcome of that is unknown too               | a read that the leader confirms decides                             |
 * | the fence fails, and the key is ours             | its index is taken anew; the transaction can be sent again          |
 * | ... and another holds it, with no lower epoch    | this process writes no more                                         |
 * | ... and it is not there, or has a lower epoch    | time went back in Consul; the key is written anew                   |
 * | the token has no right to it from the start      | transactions go without a fence, until it has it                    |
 * | ... has it, and another took the key meanwhile   | this process writes no more                                         |
 * | ... loses its right                              | nothing is written until it has it again                            |
 */
export class Fence implements Fencing {
  readonly #options: FenceOptions;
  /** Of Consul's key-value store. */
  readonly key: string;
  #standing: Standing = { kind: 'not taken' };
  /** Transactions on their way, whatever the epoch. */
  #inFlight = 0;
  #whenAlone: (() => void) | undefined;
  /** When the last transaction ended of which nobody knows what became of it, without a fence. */
  #doubtfulSinceMs = -Infinity;
  readonly #trouble: Trouble;
  /** Whatever reads or writes the key; transactions go beside. */
  readonly #turns = new Turns();
  readonly #lookInTurn = () => this.#trouble.noted(() => this.#look());
  readonly #moveInTurn = () => this.#trouble.noted(() => this.#move());

  constructor(options: FenceOptions) {
    this.#options = options;
    this.key = fenceKey(options.owner.cluster);
    this.#trouble = new Trouble({
      again: () => (this.#isOpen ? this.#moved() : this.look()),
      isWorthIt: () => this.#standing.kind === 'held',
      ...{ clock: options.clock, signal: options.signal },
    });
  }

  /**
   * Takes the fence, whichever process of this cluster holds it. Without a right to the key this process goes without, and may
   * ask again later.
   * @param given epoch: the highest that the Lease knows of, 0 for what cannot be one; takeOver: also from another cluster
   * @throws Displaced, FenceOfAnotherCluster; ConsulError, UntrustworthyAnswer, TransactionConflict when it could not be taken now
   */
  async take(given: { epoch?: number; takeOver?: boolean } = {}): Promise<void> {
    await this.#turns.do(() => this.#take(given));
  }

  async #take({ epoch = 0, takeOver = false }: { epoch?: number; takeOver?: boolean }): Promise<void> {
    const { keyValue, owner, holder, distrust } = this.#options;
    this.assertNotDisplaced();
    const told = isEpoch(epoch) ? epoch : 0;
    const before = this.#standing.kind === 'unfenced' ? this.#standing.seen : undefined;
    let seen = Math.max(told, before ?? 0);
    try {
      const stored = await keyValue.read(this.key);
      const found = stored && readRecord(stored.value);
      if (found && before !== undefined && found.holder !== holder && found.epoch > before)
        return this.#displacedBy(found);
      if (found && found.clusterUid !== owner.clusterUid && !takeOver)
        throw new FenceOfAnotherCluster(this.key, found, owner);
      if ((found?.epoch ?? 0) < told) distrust.begin('fence-lost');
      seen = Math.max(seen, found?.epoch ?? 0);
      await this.#write(stored, seen);
      // A Lease that was made anew has the epoch of its leader on it.
      if (found && found.epoch > told) this.#tellOtherLease(found);
    } catch (error) {
      if (!isDenied(error)) throw error;
      this.#goWithout(error, seen);
    }
  }

  #goWithout({ message }: Error, seen: number): void {
    const { log, metrics } = this.#options;
    const isNews = this.#standing.kind !== 'unfenced';
    this.#standing = { kind: 'unfenced', why: message, seen };
    metrics.fenced.set(0);
    if (isNews)
      log.warn('the token has no right to the key that fences writes, going on without', {
        key: this.key,
        why: message,
      });
  }

  /** @throws Displaced when another process holds the fence */
  assertNotDisplaced(): void {
    if (this.#standing.kind === 'displaced') throw this.#standing.error;
  }

  /** The epoch that is held; undefined while none is. */
  get epoch(): number | undefined {
    return this.#standing.kind === 'held' ? this.#standing.record.epoch : undefined;
  }

  /** Why transactions go without a fence; undefined while they do not. */
  get absence(): string | undefined {
    return this.#standing.kind === 'unfenced' ? this.#standing.why : undefined;
  }

  /** Why nothing is written, now or any more; undefined while something is. */
  get failure(): string | undefined {
    if (this.#standing.kind === 'displaced') return this.#standing.error.message;
    const { why, isDenied } = this.#trouble;
    const rule = ruleFor({ resource: 'key', name: this.key });
    return isDenied ? `${why}: nothing is written until the policy of the token has \`${rule}\`` : why;
  }

  /** The key has changed, or cannot be read: the leader is asked who holds it. */
  look(): Promise<void> {
    return this.#turns.doOnce(this.#lookInTurn);
  }

  async around(send: (first: KeyCheck | undefined) => Promise<Committed>): Promise<Committed> {
    const first = await orNotApplied(this.#begin());
    try {
      const committed = await send(first);
      this.#trouble.end();
      return committed;
    } catch (error) {
      if (mayHaveBeenApplied(error)) this.#noteUnknown(first);
      if (!(error instanceof FenceRefused)) throw error;
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#whenAlone?.();
    }
    // It is not on its way any more: a move that has its turn before that look does not wait for it.
    await orNotApplied(this.look());
    throw new TransactionConflict([]);
  }

  async settled(): Promise<void> {
    const { clock, signal, latestWriteMs = LATEST_WRITE_MS } = this.#options;
    await sleep(this.#doubtfulSinceMs + latestWriteMs - clock.now(), signal, clock);
    while (this.#isOpen) await this.#moved();
  }

  #noteUnknown(first: KeyCheck | undefined): void {
    if (!first) this.#doubtfulSinceMs = this.#options.clock.now();
    // With another index it fails whenever it comes.
    else if (this.#standing.kind === 'held' && this.#standing.index === first.KV.Index)
      this.#standing = { ...this.#standing, isOpen: true };
  }

  get #isOpen(): boolean {
    return this.#standing.kind === 'held' && this.#standing.isOpen;
  }

  /** What the next transaction begins with, which is on its way from then on. */
  async #begin(): Promise<KeyCheck | undefined> {
    while (this.#isOpen) await this.#moved();
    this.assertNotDisplaced();
    if (this.#standing.kind === 'not taken') throw new Error(`write to Consul: key ${this.key} is not taken yet`);
    this.#inFlight++;
    return this.#standing.kind === 'held' ? keyCheck(this.key, this.#standing.index) : undefined;
  }

  #moved(): Promise<void> {
    return this.#turns.doOnce(this.#moveInTurn);
  }

  /** Makes every transaction fail that began with the index that is held, if one of them may still be applied. */
  async #move(): Promise<void> {
    if (this.#isOpen && this.#inFlight > 0) await new Promise<void>((resolve) => (this.#whenAlone = resolve));
    if (this.#standing.kind !== 'held' || !this.#standing.isOpen) return;
    const { record, index } = this.#standing;
    const next = { ...record, epoch: record.epoch + 1 };
    try {
      this.#hold(next, await this.#options.keyValue.swap(this.key, writeRecord(next), index));
    } catch (error) {
      if (isDenied(error)) throw error;
      // Applied or not, or somebody else was faster: the key itself says.
      await this.#look();
      if (this.#isOpen) throw error;
    }
  }

  /** Looks who holds the key. */
  async #look(): Promise<void> {
    if (this.#standing.kind !== 'held') return;
    const { record } = this.#standing;
    const stored = await this.#options.keyValue.read(this.key);
    const found = stored && readRecord(stored.value);
    switch (judgeRecord(record, found)) {
      case 'displaced':
        if (found) this.#displacedBy(found);
        return;
      case 'lost':
        this.#options.distrust.begin('fence-lost');
        return this.#write(stored, record.epoch);
      case 'ours':
        // With another index no transaction of before can be applied any more.
        if (stored && found && stored.index !== this.#standing.index) this.#hold(found, stored.index);
    }
  }

  #displacedBy(found: FenceRecord): void {
    const error = new Displaced(this.key, found);
    this.#standing = { kind: 'displaced', error };
    this.#options.metrics.fenced.set(0);
    this.#options.log.error('another process writes to Consul for this cluster, stopped writing', { error });
    this.#options.onDisplaced(error);
  }

  /** Writes the key over what is there, with a higher epoch than any that is known, if this process still leads. */
  async #write(stored: StoredKey | undefined, known: number): Promise<void> {
    const { keyValue, owner, holder, log, confirmLease } = this.#options;
    const found = stored && readRecord(stored.value);
    const lease = await confirmLease?.();
    if (isOlderLease(found, holder, lease)) this.#tellOlderLease(found, lease);
    const epoch = Math.max(found?.epoch ?? 0, known) + 1;
    const record = { epoch, holder, clusterUid: owner.clusterUid, lease };
    this.#hold(record, await keyValue.swap(this.key, writeRecord(record), stored?.index ?? 0));
    log.info('holding the fence', { key: this.key, epoch });
  }

  /** All of Kubernetes was read after that already, and what is removed is asked for by itself: there is nothing else to do. */
  #tellOlderLease(found: FenceRecord | undefined, lease: LeaseMark | undefined): void {
    this.#options.metrics.timeWentBack.inc({ source: 'kubernetes', sign: 'lower-lease-transitions' });
    this.#options.log.warn('time went back in Kubernetes: the Lease has changed hands less often than it had', {
      before: found?.lease?.transitions,
      holderBefore: found?.holder,
      now: lease?.transitions,
    });
  }

  /** Somebody must be able to take the fence when the other installation, or its Lease, is gone for good. */
  #tellOtherLease(found: FenceRecord): void {
    const { owner, log } = this.#options;
    const error = this.#standing.kind === 'held' && twoInstallations(owner, found, this.#standing.record.lease);
    if (error) log.error('took the fence from a process with another Lease', { key: this.key, error });
  }

  #hold(record: FenceRecord, index: number): void {
    if (this.#standing.kind === 'displaced') return;
    this.#standing = { kind: 'held', record, index, isOpen: false };
    this.#options.metrics.fenced.set(1);
  }
}

import { systemClock, type Clock } from '../../clock.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import type { Log } from '../../observability/log.ts';
import { ownsInstance, type Owner } from '../../mark.ts';
import { nodeNameOf } from '../registration/registration.ts';
import { FollowedNames } from './followed-names.ts';
import type { ForeignSource } from './foreign-source.ts';

/** What was read is believed for this long: a burst of pods of one service is one read. */
const FRESH_MS = 2000;
/** So many names are read one by one; where more are asked for at a time, or in the time for which the list is believed, that is read. */
const FEW = 32;
/** A read of one name costs Consul about as much. With what the list costs it says from how many names on the list is the cheaper. */
const READ_MS = 0.6;
/** A list is believed for so many times as long as it took, so that it takes at most a twentieth of Consul's time, */
const LIST_BELIEVED = 20;
/** but no longer than this. */
const LONGEST_BELIEVED_MS = 30_000;

export interface ForeignOptions {
  readonly source: ForeignSource;
  readonly owner: Owner;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** @default that of the process */
  readonly clock?: Clock;
}

/** What was read, and which changes of pods had been seen when it was asked for. */
interface Reading {
  readonly askedAfter: number;
  readonly believedUntil: number;
}

/**
 * Who else has instances of the names that our pods want. Nothing is followed for it: whatever is written anywhere in Consul would
 * be a reason to ask again.
 * - A name is read when a pod wants to become an instance of it, and believed for 2 s, but of no pod that changed since: one that
 *   registers itself does so before it is Ready.
 * - Where many names are asked for at a time, as at a first start, the list of all names with foreign instances is read instead,
 *   and believed for longer in the same way.
 * - A name that somebody waits for is followed until its foreign instances change; see FollowedNames.
 */
export class ForeignInstances {
  readonly #options: ForeignOptions;
  readonly #clock: Clock;
  readonly #read = new Map<string, Reading & { readonly instances: readonly ServiceInstance[] }>();
  #list: (Reading & { readonly names: ReadonlySet<string> }) | undefined;
  readonly #followed: FollowedNames;
  readonly #listeners = new Set<(name: string) => void>();
  /** Reads that are on their way: a burst of pods of one service is one read. */
  readonly #reading = new Map<string, Promise<void>>();
  #listing: Promise<void> | undefined;
  #listTookMs = 0;
  /** How many names were read one by one in the time that ends then. */
  #readOfLate = { until: -Infinity, names: 0 };
  /** How many changes of pods were seen, and of the pods that changed of late the number of their last, the oldest first. */
  #changes = 0;
  readonly #lastChange = new Map<string, { readonly number: number; readonly at: number }>();

  constructor(options: ForeignOptions) {
    this.#options = options;
    const clock = options.clock ?? systemClock;
    this.#clock = clock;
    this.#followed = new FollowedNames({
      ...{ ...options, clock },
      take: (...read) => this.#take(...read),
      onChange: (name) => {
        for (const listener of this.#listeners) listener(name);
      },
    });
  }

  /** Told of each followed name, lower case, when its foreign instances changed; it is not followed any more then. */
  subscribe(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  /** These pods changed: of them nothing says anything that was asked for before. */
  podsChanged(podKeys: Iterable<string>): void {
    const at = this.#clock.now();
    this.#changes++;
    for (const podKey of podKeys) {
      this.#lastChange.delete(podKey);
      this.#lastChange.set(podKey, { number: this.#changes, at });
    }
    for (const [podKey, change] of this.#lastChange) {
      if (at - change.at <= LONGEST_BELIEVED_MS) return;
      this.#lastChange.delete(podKey);
    }
  }

  /**
   * The foreign instances of a service, in any case of its name; undefined when they have to be read first.
   * @param podKey of the pod that wants to be an instance of it
   */
  of(service: string, podKey: string): readonly ServiceInstance[] | undefined {
    const name = service.toLowerCase();
    const read = this.#read.get(name);
    if (this.#isBelieved(read, podKey)) return read.instances;
    const list = this.#list;
    return this.#isBelieved(list, podKey) && !list.names.has(name) ? [] : undefined;
  }

  /** Whether it is known of every name if anybody else has it, for what that pod wants to be. */
  isListed(podKey: string): boolean {
    return this.#isBelieved(this.#list, podKey);
  }

  /** Reads the foreign instances of a service, unless they are known. @throws ConsulError, UntrustworthyAnswer */
  async ensure(service: string, podKey: string): Promise<void> {
    const isKnown = () => this.of(service, podKey) !== undefined;
    const name = service.toLowerCase();
    // What is on its way may have been asked for before the pod changed.
    await this.#reading.get(name);
    if (isKnown()) return;
    if (!this.isListed(podKey) && this.#isListCheaper(podKey)) {
      await this.#listing;
      if (!isKnown()) await this.readNames();
      if (isKnown()) return;
    }
    let reading = this.#reading.get(name);
    if (!reading) {
      reading = this.#readNow(name, service).finally(() => this.#reading.delete(name));
      this.#reading.set(name, reading);
    }
    await reading;
  }

  /**
   * Whether reading names one by one costs Consul as much by now as the list would. Of pods that change, each at another time, the next
   * list would not tell much; of those that are only looked at, as at a first start, it tells all.
   */
  #isListCheaper(podKey: string): boolean {
    const many = Math.max(FEW, this.#listTookMs / READ_MS);
    if (this.#clock.now() >= this.#readOfLate.until)
      this.#readOfLate = { until: this.#clock.now() + this.#listBelievedMs, names: 0 };
    return this.#reading.size >= many || (this.#readOfLate.names >= many && !this.#lastChange.has(podKey));
  }

  /** By what the list costs. */
  get #listBelievedMs(): number {
    return Math.min(LONGEST_BELIEVED_MS, Math.max(FRESH_MS, LIST_BELIEVED * this.#listTookMs));
  }

  /**
   * Reads which names have foreign instances at all.
   * @param believedMs how long that is believed; without it as long as it may, by what it costs
   * @throws ConsulError, UntrustworthyAnswer
   */
  async readNames(believedMs?: number): Promise<void> {
    await (this.#listing ??= this.#listNow(believedMs).finally(() => (this.#listing = undefined)));
  }

  async #listNow(believedMs: number | undefined): Promise<void> {
    const askedAfter = this.#changes;
    const askedAt = this.#clock.now();
    const names = await this.#options.source.names();
    const now = this.#clock.now();
    this.#listTookMs = now - askedAt;
    this.#readOfLate = { until: -Infinity, names: 0 };
    this.#list = {
      // From the question on: older changes of pods are forgotten.
      ...{ askedAfter, believedUntil: askedAt + (believedMs ?? this.#listBelievedMs) },
      names: new Set(names.map((name) => name.toLowerCase())),
    };
  }

  async #readNow(name: string, spelling: string): Promise<void> {
    const askedAfter = this.#changes;
    this.#readOfLate.names++;
    const instances = await this.#options.source.read(spelling);
    this.#followed.take(name, instances, askedAfter);
  }

  #isBelieved<R extends Reading>(reading: R | undefined, podKey: string): reading is R {
    return (
      reading !== undefined &&
      this.#clock.now() < reading.believedUntil &&
      (this.#lastChange.get(podKey)?.number ?? 0) <= reading.askedAfter
    );
  }

  /** Follows a name until its foreign instances change; a name that nobody else has is nothing to wait for. */
  follow(service: string): void {
    const name = service.toLowerCase();
    const { instances = [] } = this.#read.get(name) ?? {};
    if (instances.length > 0) this.#followed.follow(name, service, instances);
  }

  #take(name: string, instances: readonly ServiceInstance[], askedAfter: number): readonly ServiceInstance[] {
    const { owner } = this.#options;
    const ourNodes = nodeNameOf(owner.cluster, '');
    const foreign = instances.filter(
      ({ node, meta }) => !(node.toLowerCase().startsWith(ourNodes) && ownsInstance(owner, meta)),
    );
    const now = this.#clock.now();
    // In the order of their age, so that what is out of date is first.
    this.#read.delete(name);
    this.#read.set(name, { askedAfter, believedUntil: now + FRESH_MS, instances: foreign });
    for (const [old, { believedUntil }] of this.#read) {
      if (now < believedUntil) break;
      this.#read.delete(old);
    }
    return foreign;
  }
}

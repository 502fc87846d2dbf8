import { systemClock, type Clock } from '../../clock.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import type { Log } from '../../observability/log.ts';
import { ownsInstance, type Owner } from '../../mark.ts';
import { nodeNameOf } from '../registration/registration.ts';
import { FollowedNames } from './followed-names.ts';

/** What was read is believed for this long: a burst of pods of one service is one read. */
const FRESH_MS = 2000;
/** So many names at a time are read one by one; where more are asked for, the list of all names is asked for once. */
const FEW = 32;
/** A read of one name costs Consul about as much. With what the list costs it says from how many names on the list is the cheaper. */
const READ_MS = 0.2;
/** A list is believed for so many times as long as it took, so that it takes at most a twentieth of Consul's time, */
const LIST_BELIEVED = 20;
/** but no longer than this. */
const LONGEST_BELIEVED_MS = 30_000;

/** How the instances of a service are read from Consul. */
export interface ForeignSource {
  /** Names with at least one instance on a node that is not ours, as Consul spells them. Consul looks at every instance for it. */
  names(): Promise<readonly string[]>;
  /** All instances of others, and perhaps some of ours. @throws ConsulError, UntrustworthyAnswer */
  read(service: string): Promise<readonly ServiceInstance[]>;
  /**
   * Tells the instances each time that they changed, until the returned function is called.
   * @param onRefused told when Consul allows no more connections
   */
  follow(
    service: string,
    onInstances: (instances: readonly ServiceInstance[]) => void,
    onRefused: () => void,
  ): () => void;
}

export interface ForeignOptions {
  readonly source: ForeignSource;
  readonly owner: Owner;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** @default that of the process */
  readonly clock?: Clock;
}

/** Names with foreign instances at one time. */
interface NamesList {
  readonly names: ReadonlySet<string>;
  readonly believedUntil: number;
}

/**
 * Who else has instances of the names that our pods want. Nothing is followed for it: whatever is written anywhere in Consul would
 * be a reason to ask again.
 * - A name is read when a pod wants to become an instance of it, and believed for 2 s.
 * - Where many names are asked for at a time, as at a first start, the list of all names with foreign instances is read instead.
 *   It is believed for a while, but of no pod that changed since: one that registers itself does so before it is Ready.
 * - A name that somebody waits for is followed until its foreign instances change; see FollowedNames.
 */
export class ForeignInstances {
  readonly #options: ForeignOptions;
  readonly #clock: Clock;
  readonly #read = new Map<string, { readonly at: number; readonly instances: readonly ServiceInstance[] }>();
  readonly #followed: FollowedNames;
  readonly #listeners = new Set<(name: string) => void>();
  /** Reads of a name that are on their way: a burst of pods of one service is one read. */
  readonly #reading = new Map<string, Promise<void>>();
  #list: NamesList | undefined;
  #listing: Promise<void> | undefined;
  /** Pods that changed since the list was asked for, and since the one that is on its way. */
  #changed = new Set<string>();
  #changedMeanwhile = new Set<string>();
  #listTookMs = 0;

  constructor(options: ForeignOptions) {
    this.#options = options;
    const clock = options.clock ?? systemClock;
    this.#clock = clock;
    this.#followed = new FollowedNames({
      ...{ ...options, clock },
      take: (name, instances) => this.#take(name, instances),
      onChange: (name) => {
        for (const listener of this.#listeners) listener(name);
      },
    });
  }

  /** Told of each followed name, lower case, when its foreign instances changed; it is not followed any more then. */
  subscribe(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  /** These pods changed: of them the list says nothing any more. */
  podsChanged(podKeys: Iterable<string>): void {
    if (!this.#believedList() && !this.#listing) return;
    for (const podKey of podKeys) {
      this.#changed.add(podKey);
      if (this.#listing) this.#changedMeanwhile.add(podKey);
    }
  }

  /**
   * The foreign instances of a service, in any case of its name; undefined when they have to be read first.
   * @param podKey of the pod that wants to be an instance of it
   */
  of(service: string, podKey: string): readonly ServiceInstance[] | undefined {
    const name = service.toLowerCase();
    const read = this.#read.get(name);
    if (read && this.#clock.now() - read.at < FRESH_MS) return read.instances;
    const list = this.#changed.has(podKey) ? undefined : this.#believedList();
    return !list || list.names.has(name) ? undefined : [];
  }

  /** Reads the foreign instances of a service, unless they are known. @throws ConsulError, UntrustworthyAnswer */
  async ensure(service: string, podKey: string): Promise<void> {
    if (this.of(service, podKey)) return;
    if (this.#reading.size >= Math.max(FEW, this.#listTookMs / READ_MS)) {
      await this.readNames();
      if (this.of(service, podKey)) return;
    }
    const name = service.toLowerCase();
    let reading = this.#reading.get(name);
    if (!reading) {
      reading = this.#readNow(name, service).finally(() => this.#reading.delete(name));
      this.#reading.set(name, reading);
    }
    await reading;
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
    const askedAt = this.#clock.now();
    this.#changedMeanwhile = new Set();
    const names = await this.#options.source.names();
    const now = this.#clock.now();
    this.#listTookMs = now - askedAt;
    this.#changed = this.#changedMeanwhile;
    const byCost = Math.min(LONGEST_BELIEVED_MS, Math.max(FRESH_MS, LIST_BELIEVED * this.#listTookMs));
    this.#list = {
      names: new Set(names.map((name) => name.toLowerCase())),
      believedUntil: now + (believedMs ?? byCost),
    };
  }

  #believedList(): NamesList | undefined {
    if (this.#list && this.#clock.now() >= this.#list.believedUntil) {
      this.#list = undefined;
      this.#changed = new Set();
    }
    return this.#list;
  }

  async #readNow(name: string, spelling: string): Promise<void> {
    this.#followed.take(name, await this.#options.source.read(spelling));
  }

  /** Follows a name until its foreign instances change; a name that nobody else has is nothing to wait for. */
  follow(service: string): void {
    const name = service.toLowerCase();
    const { instances = [] } = this.#read.get(name) ?? {};
    if (instances.length > 0) this.#followed.follow(name, service, instances);
  }

  #take(name: string, instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
    const { owner } = this.#options;
    const ourNodes = nodeNameOf(owner.cluster, '');
    const foreign = instances.filter(
      ({ node, meta }) => !(node.toLowerCase().startsWith(ourNodes) && ownsInstance(owner, meta)),
    );
    // In the order of their age, so that what is out of date is first.
    this.#read.delete(name);
    this.#read.set(name, { at: this.#clock.now(), instances: foreign });
    this.#forgetOld();
    return foreign;
  }

  #forgetOld(): void {
    for (const [name, { at }] of this.#read) {
      if (this.#clock.now() - at < FRESH_MS) return;
      this.#read.delete(name);
    }
  }
}

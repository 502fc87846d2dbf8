import { inBackground } from '../../background.ts';
import { backoffMs, sleep } from '../../backoff.ts';
import { systemClock, type Clock } from '../../clock.ts';
import { MOST_LONG_POLLS } from '../../consul/long-polls.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import type { Log } from '../../observability/log.ts';
import { ownsInstance, type Owner } from '../../mark.ts';
import { nodeNameOf } from '../registration/registration.ts';

/** What was read is believed for this long: a burst of pods of one service is one read. */
const FRESH_MS = 2000;
/** Long polls rest for this long after Consul allowed no more connections: those of a daemon that was killed are over by then. */
const REST_MS = 60_000;
/** The names beyond that are read in turn: each every 2 s, */
const TURN_MS = 2000;
/** but no more than 20 of them a second: 200 names then take 10 s. */
const SHORTEST_POLL_MS = 50;
/** Full-jitter caps of 1, 2, 4 ... 30 s while they cannot be read. */
const BACKOFF = { baseMs: 1000, maxMs: 30_000 };

/** How the instances of a service are read from Consul. */
export interface ForeignSource {
  /** Names with at least one instance on a node that is not ours, as Consul spells them. */
  names(): Promise<readonly string[]>;
  /** @throws ConsulError, UntrustworthyAnswer */
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

/** A name that is followed until its foreign instances are others than before. */
interface Followed {
  readonly spelling: string;
  /** Where its foreign instances were when somebody began to wait. */
  readonly before: string;
  /** Ends its long poll, or takes it out of the line of names that are read in turn. */
  readonly stop: () => void;
}

/**
 * Who else has instances of the names that our pods want:
 * - a list of names, which Consul filters for us, says which names have foreign instances at all;
 * - only names that are both wanted by a new pod and used by others are read (`ensure`), and believed for 2 s;
 * - only names that somebody waits for are followed: 10 by a long poll each, those beyond in turn by one loop. A name is
 *   followed until its foreign instances change or nobody else has it, and then all that wait for it plan again;
 * - a name whose long poll Consul refuses (429) is read in turn, and so is every new one for a minute.
 */
export class ForeignInstances {
  readonly #options: Omit<ForeignOptions, 'clock'>;
  readonly #clock: Clock;
  /** Lower-case names to their spelling: those with at least one instance on a node that is not ours. */
  #listed = new Map<string, string>();
  readonly #read = new Map<string, { readonly at: number; readonly instances: readonly ServiceInstance[] }>();
  readonly #followed = new Map<string, Followed>();
  /** Those of the followed names that are read in turn, in the order of their turns. */
  readonly #inTurn = new Set<string>();
  readonly #listeners = new Set<(name: string) => void>();
  /** Reads of a name that are on their way: a burst of pods of one service is one read. */
  readonly #reading = new Map<string, Promise<void>>();
  /** When long polls may begin. */
  #longPollsFrom = -Infinity;
  #isPolling = false;
  #failures = 0;

  private constructor({ clock = systemClock, ...options }: ForeignOptions) {
    this.#options = options;
    this.#clock = clock;
  }

  /** @throws ConsulError, UntrustworthyAnswer when the names could not be read. */
  static async read(options: ForeignOptions): Promise<ForeignInstances> {
    const foreign = new ForeignInstances(options);
    foreign.takeNames(await options.source.names());
    return foreign;
  }

  /** Told of each followed name, lower case, when its foreign instances changed; it is not followed any more then. */
  subscribe(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  /** @param names those with at least one instance on a node that is not ours, all of them */
  takeNames(names: readonly string[]): void {
    this.#listed = new Map(names.map((name) => [name.toLowerCase(), name]));
    for (const name of this.#read.keys()) if (!this.#listed.has(name)) this.#read.delete(name);
    for (const name of this.#followed.keys()) if (!this.#listed.has(name)) this.#changed(name);
  }

  /** The foreign instances of a service, in any case of its name; undefined when they have to be read first. */
  of(service: string): readonly ServiceInstance[] | undefined {
    const name = service.toLowerCase();
    if (!this.#listed.has(name)) return [];
    const read = this.#read.get(name);
    return read && this.#clock.now() - read.at < FRESH_MS ? read.instances : undefined;
  }

  /** Reads the foreign instances of a service, when there are any. @throws ConsulError, UntrustworthyAnswer */
  async ensure(service: string): Promise<void> {
    const name = service.toLowerCase();
    const spelling = this.#listed.get(name);
    if (spelling === undefined || this.of(name)) return;
    let reading = this.#reading.get(name);
    if (!reading) {
      reading = this.#readNow(name, spelling).finally(() => this.#reading.delete(name));
      this.#reading.set(name, reading);
    }
    await reading;
  }

  async #readNow(name: string, spelling: string): Promise<void> {
    const instances = await this.#options.source.read(spelling);
    const followed = this.#followed.get(name);
    // A pod that waits must hear of it, even if all is as before again at the next look.
    if (followed) this.#judge(name, followed.before, instances);
    else this.#take(name, instances);
  }

  /** Follows a name until its foreign instances change or nobody else has it. */
  follow(service: string): void {
    const name = service.toLowerCase();
    const spelling = this.#listed.get(name);
    if (spelling === undefined || this.#followed.has(name)) return;
    const before = locationsOf(this.#read.get(name)?.instances ?? []);
    if (this.#hasRoom()) this.#followByLongPoll(name, spelling, before);
    else this.#followInTurn(name, spelling, before);
  }

  #hasRoom(): boolean {
    const longPolls = this.#followed.size - this.#inTurn.size;
    return longPolls < MOST_LONG_POLLS.duplicates && this.#clock.now() >= this.#longPollsFrom;
  }

  #followByLongPoll(name: string, spelling: string, before: string): void {
    const onInstances = (instances: readonly ServiceInstance[]) => this.#judge(name, before, instances);
    const stop = this.#options.source.follow(spelling, onInstances, () => {
      stop();
      this.#longPollsFrom = this.#clock.now() + REST_MS;
      this.#followInTurn(name, spelling, before);
    });
    this.#followed.set(name, { spelling, before, stop });
  }

  #followInTurn(name: string, spelling: string, before: string): void {
    this.#followed.set(name, { spelling, before, stop: () => this.#inTurn.delete(name) });
    this.#inTurn.add(name);
    this.#poll();
  }

  /** Plans the next read in turn, if there is a name to read. */
  #poll(): void {
    const { signal } = this.#options;
    if (this.#isPolling || this.#inTurn.size === 0 || signal.aborted) return;
    this.#isPolling = true;
    const backoff = this.#failures > 0 ? backoffMs(this.#failures - 1, BACKOFF) : 0;
    const wait = Math.max(SHORTEST_POLL_MS, TURN_MS / this.#inTurn.size, backoff);
    inBackground(sleep(wait, signal, this.#clock).then(() => (signal.aborted ? undefined : this.#readInTurn())));
  }

  async #readInTurn(): Promise<void> {
    const { source, log, signal } = this.#options;
    const [name = ''] = this.#inTurn;
    const followed = this.#followed.get(name);
    try {
      if (followed) {
        // To the end of the line.
        this.#inTurn.delete(name);
        this.#inTurn.add(name);
        this.#judge(name, followed.before, await source.read(followed.spelling));
        this.#failures = 0;
        this.#fillLongPolls();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (this.#failures++ === 0) log.warn('service could not be read, will ask again', { service: name, error });
    }
    this.#isPolling = false;
    this.#poll();
  }

  #judge(name: string, before: string, instances: readonly ServiceInstance[]): void {
    const isFollowed = this.#followed.get(name)?.before === before;
    if (isFollowed && locationsOf(this.#take(name, instances)) !== before) this.#changed(name);
  }

  #take(name: string, instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
    const { owner } = this.#options;
    const ourNodes = nodeNameOf(owner.cluster, '');
    const foreign = instances.filter(
      ({ node, meta }) => !(node.toLowerCase().startsWith(ourNodes) && ownsInstance(owner, meta)),
    );
    this.#read.set(name, { at: this.#clock.now(), instances: foreign });
    return foreign;
  }

  #changed(name: string): void {
    this.#followed.get(name)?.stop();
    this.#followed.delete(name);
    this.#fillLongPolls();
    for (const listener of this.#listeners) listener(name);
  }

  /** A long poll that became free goes to the name whose turn comes next. */
  #fillLongPolls(): void {
    const [name] = this.#inTurn;
    const followed = name === undefined ? undefined : this.#followed.get(name);
    if (name === undefined || !followed || !this.#hasRoom()) return;
    this.#inTurn.delete(name);
    this.#followByLongPoll(name, followed.spelling, followed.before);
  }
}

/** What a duplicate depends on, to compare. */
function locationsOf(instances: readonly ServiceInstance[]): string {
  return instances
    .map(({ node, id, address, nodeAddress, port, namedPorts, status }) =>
      [node, id, address || nodeAddress, port, namedPorts.join(), status].join(' '),
    )
    .sort()
    .join('\n');
}

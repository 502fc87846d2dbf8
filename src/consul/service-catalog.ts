import { inBackground } from '../background.ts';
import { sleep } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import { because, byCause } from '../observability/causes.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RetryBrake } from '../retry-brake.ts';
import type { CatalogLists } from './catalog-lists.ts';
import { SERVICES_REQUEST } from './catalog.ts';
import type { ConsulReader } from './client.ts';
import { NotBelieved, type Absence } from './absence.ts';
import { ConsulError } from './errors.ts';
import { FollowedServices } from './followed-services.ts';
import { watchHealth } from './health-watch.ts';
import { InstanceNames } from './instance-names.ts';
import { NamesOnNodes } from './names-on-nodes.ts';
import { isWatched, KnownServices, type NameChanges } from './known-services.ts';
import { isReadableName } from './readable-name.ts';
import { restAfter } from './rest.ts';
import { ServiceReader, type KnownService } from './service-reader.ts';
import { ServiceReads } from './service-reads.ts';
import type { ServiceInstance } from './types.ts';
import type { SweepPace } from './sweep.ts';
import type { TimeLine } from './time-line.ts';

/** Reading more new services than these one by one costs Consul more than the list that leaves out those of no interest. */
const MOST_NEW = 16;
/**
 * The list of all names takes Consul 23 ms with 50 000 instances and 0.2 s with 150 000: it may take a sixtieth of Consul's time, as
 * long as that leaves no more than 15 s between two of them.
 */
const NAMES_REST = { inCosts: 60, longestMs: 15_000 };
/**
 * Of the lists of checks: they tell of services without a long poll of their own, and that at once, unless Consul is busy with them.
 * Where each has a long poll, which wakes for its health too, they tell nothing.
 */
const HEALTH_REST = {
  needed: { inCosts: 20, longestMs: 30_000 },
  idle: { inCosts: 100, leastMs: 7000, longestMs: 30_000 },
};
/** Meanwhile sweeps go on as they do while something changes all the time. */
const SWEEP_MEANWHILE_MS = 8000;

export interface ServiceCatalogOptions {
  readonly client: ConsulReader;
  readonly lists: CatalogLists;
  /** Lower-case names that are worth reading at all. */
  readonly isCandidate: (name: string) => boolean;
  readonly timeLine: Pick<TimeLine, 'early' | 'failed' | 'answeredAgain' | 'takeNamesIndex'>;
  /** When what is missing is gone. */
  readonly absence: Pick<Absence, 'assertBelievable'>;
  /**
   * Instances that are worth reading, in Consul's filter language: a service without any is not read. A Consul before
   * 1.12 ignores it, which only costs more.
   */
  readonly filter: string;
  /** Instances that it does not select are marked as left out; read service by service. @default none */
  readonly instanceFilter?: string;
  /** Holds back what is asked again after a failure. */
  readonly brake: Pick<RetryBrake, 'turn' | 'tryTake' | 'giveBack'>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
  /** Of reading the services without a long poll. @default SWEEP_PACE */
  readonly sweepPace?: SweepPace | undefined;
  /** @default the machine's */
  readonly clock?: Clock;
}

/**
 * The services of Consul with their instances, by lower-case name (Consul's look-ups ignore case):
 * - `catalog/services` (blocking) tells which names exist, and that some instance came or went;
 * - the lists of critical and warning checks (blocking) name the services whose health changed: these are read at once;
 * - followed services have a blocking query of their own; the others are found by a sweep of plain reads after a wake.
 *   A sweep first asks for the names that have instances worth reading, so that what Consular itself registers costs
 *   one request and not one for each of its services.
 * What an answer may change is ServiceReader's to judge. A read that fails costs only its service, which stays as it was.
 */
export class ServiceCatalog {
  readonly #options: ServiceCatalogOptions;
  readonly #reader: ServiceReader;
  readonly #reads: ServiceReads;
  readonly #known: KnownServices;
  readonly #instanceNames = new InstanceNames();
  readonly #namesOnNodes = new NamesOnNodes();
  readonly #followed: FollowedServices;
  readonly #listeners = new Set<(name: string) => void>();
  /** How often the list of names began to rest. */
  #rests = 0;
  /** When every candidate was asked for once. */
  readonly synced: Promise<void>;
  #isSynced = false;
  readonly #failures = new Map<string, string>([[SERVICES_REQUEST.purpose, 'not read yet']]);

  constructor(options: ServiceCatalogOptions) {
    this.#options = options;
    const { absence, client, isCandidate, signal, clock = systemClock } = options;
    this.#known = new KnownServices(isCandidate);
    this.#reader = new ServiceReader(client, signal, absence, {
      filter: options.instanceFilter ?? '',
      onPart: ({ spelling }) => this.#notify(spelling.toLowerCase()),
      onAnswer: ({ spelling, instances }, shown) => {
        this.#namesOnNodes.take(spelling.toLowerCase(), instances ?? []);
        this.#readOldNames(spelling.toLowerCase(), shown);
      },
    });
    this.#reads = new ServiceReads({ ...options, clock, known: this.#known, read: (name) => this.refresh(name) });
    const onLost = ({ spelling }: KnownService) => {
      // The lists of checks rest for long while each service has a long poll; now one has none.
      options.lists.critical.endRest();
      options.lists.warning.endRest();
      this.#reads.readAgain(spelling.toLowerCase());
    };
    this.#followed = new FollowedServices({ ...options, onLost });
    // Health first: a check that changes between the first reading and the first list would be noticed by neither.
    this.synced = this.#watchHealth().then(() => this.#watchNames());
  }

  /** Why the catalog cannot be trusted to be fresh right now. */
  get failure(): string | undefined {
    return this.#failures.size === 0
      ? undefined
      : byCause([...this.#failures].map(([what, why]) => because(what, why))).join('; ');
  }

  /** Lower-case names of everything that Consul lists and that is a candidate. */
  names(): string[] {
    return this.#known.candidates();
  }

  /** The name as Consul spells it. */
  spelling(name: string): string {
    return this.#known.get(name)?.spelling ?? name;
  }

  /** The instances at the last look; undefined when no answer about the service was believed yet. */
  instances(name: string): readonly ServiceInstance[] | undefined {
    return this.#known.get(name)?.instances;
  }

  /** True when what these instances do not have is known to be gone. Told like any change when it becomes true. */
  isComplete(name: string): boolean {
    return this.#known.get(name)?.isComplete ?? false;
  }

  subscribe(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  /** Other names may be candidates than before: reads those that are, and forgets those that are not any more. */
  selectAgain(): void {
    for (const name of this.#known.excluded()) {
      this.unfollow(name);
      this.#known.forget(name);
      this.#notify(name);
    }
    this.#readChanged(this.#known.takeNamesAgain());
  }

  /** Reads one service now. @throws ConsulError, UntrustworthyAnswer; NotBelieved when it was taken in part */
  async refresh(name: string): Promise<void> {
    if (await this.#reader.read(this.#known.ensure(name))) this.#notify(name);
  }

  /** The same for a read that decides a removal. @throws the same, when nothing may be removed on the answer */
  async confirm(name: string): Promise<void> {
    if (await this.#reader.confirm(this.#known.ensure(name))) this.#notify(name);
  }

  /** From now on the service is one of those that are read, also when it is no candidate. Its instances are unknown at first. */
  want(name: string): void {
    this.#forgetting(name, () => this.#known.want(name));
  }

  unwant(name: string): void {
    this.#forgetting(name, () => this.#known.unwant(name));
  }

  /** A service that the change forgets is followed no more. */
  #forgetting(name: string, change: () => void): void {
    const before = this.#known.get(name);
    change();
    if (before && this.#known.get(name) !== before) this.#followed.unfollow(before);
  }

  /** Follows a service by a blocking query of its own, as soon as there is room for one more. */
  follow(name: string): void {
    const known = this.#known.ensure(name);
    this.#followed.follow(known, async (answer) => {
      try {
        const changed = await this.#reader.take(known, answer);
        if (changed) this.#notify(name);
        return changed;
      } catch (error) {
        if (!(error instanceof NotBelieved)) throw error;
        // What the answer has was taken: the next change is waited for as ever.
        this.#reads.failed(name, error);
        return true;
      }
    });
  }

  unfollow(name: string): void {
    const known = this.#known.get(name);
    if (known) this.#followed.unfollow(known);
  }

  /** Resolves when the first list was taken in, with all that is on it. */
  #watchNames(): Promise<void> {
    return new Promise((resolve) => {
      let first = true;
      const note = this.#noteFailure(SERVICES_REQUEST.purpose);
      const onFailure = (error: unknown) => {
        if (error !== undefined) this.#known.forgetIndexes();
        note(error);
      };
      const take = async (names: readonly string[]) => {
        const changes = this.#known.takeNames(names);
        if (!first) return this.#readChanged(changes);
        await this.#reads.readAll();
        first = false;
        this.#isSynced = true;
        onFailure(undefined);
        resolve();
      };
      const restMs = (_: number, costMs: number) => {
        const ms = restAfter(costMs, NAMES_REST);
        inBackground(this.#sweepFor(ms));
        return ms;
      };
      this.#options.lists.names.subscribe({ take, onFailure, restMs });
    });
  }

  async #sweepFor(ms: number): Promise<void> {
    const { signal, clock = systemClock } = this.#options;
    // Another list may come sooner, where somebody else wants it: sweeps go on from there then.
    const rest = ++this.#rests;
    for (let left = ms - SWEEP_MEANWHILE_MS; left > 0; left -= SWEEP_MEANWHILE_MS) {
      await sleep(SWEEP_MEANWHILE_MS, signal, clock);
      if (signal.aborted || rest !== this.#rests) return;
      this.#reads.schedule();
    }
  }

  #readChanged({ added, gone, doubtful }: NameChanges): void {
    // A blocking query about a name that does not exist returns at every change of the whole catalog.
    for (const name of gone) this.unfollow(name);
    for (const name of [...gone, ...(added.length > MOST_NEW ? [] : added)]) this.#reads.readSoon(name);
    for (const name of doubtful) this.#reads.readAgain(name);
    // Somebody wanted it before it was listed, when it could not be followed; what is read now may be what was read then.
    for (const name of added) if (this.#known.get(name)?.instances) this.#notify(name);
    // No answer will ever tell of these.
    for (const name of [...added, ...gone]) if (!isReadableName(name)) this.#notify(name);
    this.#reads.schedule();
  }

  #watchHealth(): Promise<void> {
    return watchHealth({
      lists: this.#options.lists,
      restMs: (_, costMs) => {
        const isIdle = this.#isSynced && this.#known.areCandidatesWatched();
        return restAfter(costMs, isIdle ? HEALTH_REST.idle : HEALTH_REST.needed);
      },
      failureListener: (purpose) => this.#noteFailure(purpose),
      onChange: ({ services, nodes }) => {
        for (const name of [...services, ...this.#namesOnNodes.on(nodes)]) {
          const known = this.#known.get(name);
          // A watched service wakes by itself.
          if (known?.candidate && !isWatched(known)) this.#reads.readSoon(name);
        }
      },
    });
  }

  #noteFailure(purpose: string): (error: unknown) => void {
    return (error) => {
      if (error === undefined) this.#failures.delete(purpose);
      else this.#failures.set(purpose, explainError(error));
      // The lists come before the services of which each has a long poll of its own.
      if (error instanceof ConsulError && error.isTooMany) this.#followed.refused();
    };
  }

  /** An instance has one name only: those that it had before are out of date, whatever their index says. */
  #readOldNames(name: string, instances: readonly ServiceInstance[]): void {
    for (const old of this.#instanceNames.see(name, instances)) {
      const known = this.#known.get(old);
      if (!known) continue;
      known.index = 0;
      // Not at once: two servers that never agree would have both read for ever.
      this.#reads.readLater(old);
    }
  }

  #notify(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}

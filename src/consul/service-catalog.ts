import { backoffMs, sleep } from '../backoff.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { followBlockingQuery, type BlockingQueryOptions } from './blocking-query.ts';
import {
  decodeHealthState,
  decodeServiceNames,
  FROM_THE_LEADER,
  healthStateRequest,
  instancesRequest,
  SERVICES_REQUEST,
} from './catalog.ts';
import type { ConsulClient } from './client.ts';
import { concernedBy, type ChecksInState } from './health-states.ts';
import { isWatched, KnownServices, type Following } from './known-services.ts';
import { ServiceReader } from './service-reader.ts';
import { Sweep, type SweepPace } from './sweep.ts';
import type { ServiceInstance } from './types.ts';

/** One long poll for each followed service, up to here; each is a connection, and Consul allows 200 for one client. */
const MOST_FOLLOWED = 100;
const FIRST_READ_ATTEMPTS = 3;
/** Reading more new services than these one by one costs Consul more than the list that leaves out those of no interest. */
const MOST_NEW = 16;
/** One in a wait: a service whose checks have a new output all the time is left to the other ways of noticing a change. */
const FUTILE_PER_SECOND = 1 / 30;

/**
 * A list that is empty wakes at every change of any check. The one of critical checks has to be quick all the same; the
 * other one is empty most of the time, and says less.
 */
const HEALTH_PACE = { critical: { perSecond: 10 }, warning: { perSecond: 10, futilePerSecond: 1 } };

export interface ServiceCatalogOptions {
  readonly client: ConsulClient;
  /** Lower-case names that are worth reading at all. */
  readonly isCandidate: (name: string) => boolean;
  /** When Consul lost data, if that is known already: for ten minutes from then on nothing is believed to be gone. */
  readonly lostAt: Date | undefined;
  /**
   * Instances that are worth reading, in Consul's filter language: a service without any is not read. A Consul before
   * 1.12 ignores it, which only costs more.
   */
  readonly filter: string;
  /** How far apart sweeps are. */
  readonly sweepPace?: SweepPace | undefined;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
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
  readonly #sweep: Sweep;
  readonly #known: KnownServices;
  readonly #listeners = new Set<(name: string) => void>();
  /** Names of which the log says already that they could not be read. */
  readonly #complainedOf = new Set<string>();
  /** When every candidate was asked for once. */
  readonly synced: Promise<void>;
  #followed = 0;
  readonly #failures = new Map<string, string>([[SERVICES_REQUEST.purpose, 'not read yet']]);

  constructor(options: ServiceCatalogOptions) {
    this.#options = options;
    this.#known = new KnownServices(options.isCandidate);
    const { client, signal, lostAt } = options;
    this.#reader = new ServiceReader(client, signal, ({ spelling }) => this.#notify(spelling.toLowerCase()));
    if (lostAt) this.#reader.distrust.begin(lostAt);
    this.#sweep = new Sweep({
      due: () => this.#dueOrLater(),
      read: (name) => this.#readOrLater(name),
      signal: options.signal,
      pace: options.sweepPace,
    });
    // Health first: a check that changes between the first reading and the first list would be noticed by neither.
    this.synced = Promise.all([this.#followHealth('critical'), this.#followHealth('warning')]).then(() =>
      this.#followNames(),
    );
  }

  /** Why the catalog cannot be trusted to be fresh right now. */
  get failure(): string | undefined {
    return this.#failures.size === 0
      ? undefined
      : [...this.#failures].map(([what, why]) => `${what}: ${why}`).join('; ');
  }

  /** When Consul lost data, or was seen to go back in time; undefined when that was not in the last ten minutes. */
  get lostAt(): Date | undefined {
    return this.#reader.distrust.lostAt;
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

  subscribe(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads one service now. `consistent` asks the leader to confirm that it leads: for reads that decide a removal. */
  async refresh(name: string, consistent = false): Promise<void> {
    if (await this.#reader.read(this.#known.ensure(name), consistent)) this.#notify(name);
  }

  /** From now on the service is one of those that are read, also when it is no candidate. Its instances are unknown at first. */
  want(name: string): void {
    const following = this.#known.get(name)?.following;
    this.#known.want(name);
    // What was forgotten is followed no more.
    if (following && !this.#known.get(name)?.following) this.#stop(following);
  }

  unwant(name: string): void {
    const following = this.#known.get(name)?.following;
    if (this.#known.unwant(name) && following) this.#stop(following);
  }

  /** Follows a service by a blocking query of its own, when there is room for one more. */
  follow(name: string): void {
    const known = this.#known.ensure(name);
    if (known.following || !known.listed || this.#followed >= MOST_FOLLOWED) return;
    const following = { stop: new AbortController(), paused: false };
    known.following = following;
    this.#followed++;
    void followBlockingQuery({
      ...this.#options,
      request: { ...instancesRequest(known.spelling), query: FROM_THE_LEADER },
      newestIndex: () => known.index,
      onAnswer: async (answer) => {
        const changed = await this.#reader.take(known, answer);
        if (changed) this.#notify(name);
        return changed;
      },
      onPause: (paused) => (following.paused = paused),
      perSecond: 5,
      futilePerSecond: FUTILE_PER_SECOND,
      signal: AbortSignal.any([this.#options.signal, following.stop.signal]),
    });
  }

  unfollow(name: string): void {
    const known = this.#known.get(name);
    if (!known?.following) return;
    this.#stop(known.following);
    delete known.following;
  }

  #stop({ stop }: Following): void {
    stop.abort();
    this.#followed--;
  }

  #followNames(): Promise<void> {
    return new Promise((resolve) => {
      let first = true;
      let index = 0;
      this.#watch(SERVICES_REQUEST, { perSecond: 1 }, async (answer) => {
        if (answer.index < index) this.#reader.distrust.begin();
        index = answer.index;
        const { added, gone } = this.#known.takeNames(decodeServiceNames(answer));
        if (first) {
          await this.#readAll();
          first = false;
          this.#failures.delete(SERVICES_REQUEST.purpose);
          return resolve();
        }
        // A blocking query about a name that does not exist returns at every change of the whole catalog.
        for (const name of gone) this.unfollow(name);
        for (const name of [...gone, ...(added.length > MOST_NEW ? [] : added)]) this.#sweep.readSoon(name);
        this.#sweep.schedule();
      });
    });
  }

  /** Resolves with the first list; from then on, every change is noticed. */
  #followHealth(status: 'critical' | 'warning'): Promise<void> {
    return new Promise((resolve) => {
      const request = healthStateRequest(status);
      let before: ChecksInState | undefined;
      this.#watch(request, HEALTH_PACE[status], (answer) => {
        const now = decodeHealthState(answer, request.purpose);
        const { services, nodes } = concernedBy(before ?? now, now);
        before = now;
        resolve();
        for (const name of [...services, ...this.#known.onNodes(nodes)]) {
          const known = this.#known.get(name);
          // A watched service wakes by itself.
          if (known?.candidate && !isWatched(known)) this.#sweep.readSoon(name);
        }
        return services.size + nodes.size > 0;
      });
    });
  }

  #watch(
    request: BlockingQueryOptions['request'],
    pace: Pick<BlockingQueryOptions, 'perSecond' | 'futilePerSecond'>,
    onAnswer: BlockingQueryOptions['onAnswer'],
  ): void {
    const onFailure = (error: unknown) => {
      if (error === undefined) this.#failures.delete(request.purpose);
      else this.#failures.set(request.purpose, explainError(error));
    };
    void followBlockingQuery({ ...this.#options, request, onAnswer, onFailure, ...pace });
  }

  /** What a sweep reads. */
  async #due(): Promise<Iterable<string>> {
    if (this.#known.areAllWatched()) return [];
    const { client, filter, signal } = this.#options;
    const answer = await client.get({ ...SERVICES_REQUEST, query: { filter }, signal });
    return this.#known.takeCandidates(decodeServiceNames(answer));
  }

  async #dueOrLater(): Promise<Iterable<string>> {
    try {
      return await this.#due();
    } catch (error) {
      if (!this.#options.signal.aborted)
        this.#options.log.warn('names of services worth reading could not be read, will ask again', { error });
      this.#sweep.schedule();
      return [];
    }
  }

  async #readOrLater(name: string): Promise<void> {
    try {
      await this.refresh(name);
      this.#complainedOf.delete(name);
    } catch (error) {
      if (this.#options.signal.aborted) return;
      const level = this.#complainedOf.has(name) ? 'debug' : 'warn';
      this.#complainedOf.add(name);
      this.#options.log[level]('service could not be read as a whole, the rest stays as it was', {
        service: name,
        error,
      });
      this.#sweep.readLater(name);
    }
  }

  /**
   * The first reading of everything. A service that cannot be read stays unknown, which is not empty: whoever needs it
   * asks again, and the others do not wait for it.
   */
  async #readAll(): Promise<void> {
    const { log, signal } = this.#options;
    await this.#sweep.all([...(await this.#due())], async (name) => {
      for (let attempt = 1; attempt <= FIRST_READ_ATTEMPTS && !signal.aborted; attempt++) {
        try {
          return await this.refresh(name);
        } catch (error) {
          log.warn('service could not be read', { service: name, attempt, error });
          await sleep(backoffMs(attempt, { baseMs: 100, maxMs: 2000 }), signal);
        }
      }
    });
  }

  #notify(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}

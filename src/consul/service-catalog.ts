import { backoffMs, sleep } from '../backoff.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { followBlockingQuery, type BlockingQueryOptions } from './blocking-query.ts';
import {
  decodeHealthState,
  decodeServiceNames,
  FROM_THE_LEADER,
  healthStateRequest,
  serviceRequest,
  SERVICES_REQUEST,
} from './catalog.ts';
import type { ConsulClient } from './client.ts';
import { concernedBy, type ChecksInState } from './health-states.ts';
import { ServiceReader, type KnownService } from './service-reader.ts';
import { Sweep } from './sweep.ts';
import type { ServiceInstance } from './types.ts';

/** One long poll for each followed service, up to here; each is a connection, and Consul allows 200 for one client. */
const MOST_FOLLOWED = 100;
const FIRST_READ_ATTEMPTS = 3;

export interface ServiceCatalogOptions {
  readonly client: ConsulClient;
  /** Lower-case names that are worth reading at all. */
  readonly isCandidate: (name: string) => boolean;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

interface Known extends KnownService {
  listed: boolean;
  following?: AbortController;
}

/**
 * The services of Consul with their instances, by lower-case name (Consul's look-ups ignore case):
 * - `catalog/services` (blocking) tells which names exist, and that some instance came or went;
 * - the lists of critical and warning checks (blocking) name the services whose health changed: these are read at once;
 * - followed services have a blocking query of their own; the others are found by a sweep of plain reads after a wake.
 * What an answer may change is ServiceReader's to judge. A read that fails costs only its service, which stays as it was.
 */
export class ServiceCatalog {
  readonly #options: ServiceCatalogOptions;
  readonly #reader: ServiceReader;
  readonly #sweep: Sweep;
  readonly #known = new Map<string, Known>();
  readonly #wanted = new Set<string>();
  /** All names of the last list, candidates or not, with the spelling that stands for each. */
  #spellings: ReadonlyMap<string, string> = new Map();
  readonly #listeners = new Set<(name: string) => void>();
  /** When every candidate was asked for once. */
  readonly synced: Promise<void>;
  #followed = 0;
  readonly #failures = new Map<string, string>([[SERVICES_REQUEST.purpose, 'not read yet']]);

  constructor(options: ServiceCatalogOptions) {
    this.#options = options;
    this.#reader = new ServiceReader(options.client, options.signal);
    this.#sweep = new Sweep(
      () => this.#due(),
      (name) => this.#readOrRetry(name),
      options.signal,
    );
    this.synced = new Promise((resolve) => this.#followNames(resolve));
  }

  /** Why the catalog cannot be trusted to be fresh right now. */
  get failure(): string | undefined {
    return this.#failures.size === 0
      ? undefined
      : [...this.#failures].map(([what, why]) => `${what}: ${why}`).join('; ');
  }

  /** Lower-case names of everything that Consul lists and that is a candidate. */
  names(): string[] {
    return [...this.#known].filter(([, { listed }]) => listed).map(([name]) => name);
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
    if (await this.#reader.read(this.#know(name), consistent)) this.#notify(name);
  }

  /** From now on the service is one of those that are read, also when it is no candidate. Its instances are unknown at first. */
  want(name: string): void {
    if (this.#wanted.has(name)) return;
    // What was read once, while nobody followed it, is out of date.
    if (!this.#options.isCandidate(name)) this.#forget(name);
    this.#wanted.add(name);
    const spelling = this.#spellings.get(name);
    if (spelling !== undefined) Object.assign(this.#know(name), { spelling, listed: true });
  }

  unwant(name: string): void {
    if (this.#wanted.delete(name) && !this.#options.isCandidate(name)) this.#forget(name);
  }

  /** Follows a service by a blocking query of its own, when there is room for one more. */
  follow(name: string): void {
    const known = this.#know(name);
    if (known.following || !known.listed || this.#followed >= MOST_FOLLOWED) return;
    known.following = new AbortController();
    this.#followed++;
    const signal = AbortSignal.any([this.#options.signal, known.following.signal]);
    void followBlockingQuery({
      ...this.#options,
      request: { ...serviceRequest(known.spelling), query: FROM_THE_LEADER },
      onAnswer: async (answer) => {
        if (await this.#reader.take(known, answer)) this.#notify(name);
      },
      perSecond: 20,
      signal,
    });
  }

  unfollow(name: string): void {
    const known = this.#known.get(name);
    if (!known?.following) return;
    known.following.abort();
    delete known.following;
    this.#followed--;
  }

  /** What a sweep reads: all that has no blocking query of its own, and what is gone by name but not yet by an answer. */
  #due(): string[] {
    const due = [...this.#known].filter(
      ([name, { following, instances, listed }]) =>
        !following && (listed || ((instances?.length ?? 0) > 0 && this.#isRead(name))),
    );
    return due.map(([name]) => name);
  }

  #followNames(resolveSynced: () => void): void {
    let first = true;
    this.#watch(SERVICES_REQUEST, 4, async (answer) => {
      const changed = this.#takeNames(decodeServiceNames(answer));
      if (first) {
        await this.#readAll();
        first = false;
        this.#failures.delete(SERVICES_REQUEST.purpose);
        this.#followHealth('critical');
        this.#followHealth('warning');
        return resolveSynced();
      }
      for (const name of changed) this.#sweep.readSoon(name);
      this.#sweep.schedule();
    });
  }

  #followHealth(status: 'critical' | 'warning'): void {
    const request = healthStateRequest(status);
    let before: ChecksInState = new Map();
    this.#watch(request, 10, (answer) => {
      const now = decodeHealthState(answer, request.purpose);
      const { services, nodes } = concernedBy(before, now);
      before = now;
      for (const [name, known] of this.#known) {
        // A followed service wakes by itself.
        if (known.following) continue;
        if (services.has(name) || (nodes.size > 0 && known.instances?.some(({ node }) => nodes.has(node))))
          this.#sweep.readSoon(name);
      }
    });
  }

  #watch(
    request: BlockingQueryOptions['request'],
    perSecond: number,
    onAnswer: BlockingQueryOptions['onAnswer'],
  ): void {
    const onFailure = (error: unknown) => {
      if (error === undefined) this.#failures.delete(request.purpose);
      else this.#failures.set(request.purpose, explainError(error));
    };
    void followBlockingQuery({ ...this.#options, request, onAnswer, onFailure, perSecond });
  }

  /** Updates which names exist; returns those that came or went. */
  #takeNames(spellings: readonly string[]): string[] {
    // Several spellings are one service to every look-up; the first in order stands for all.
    const listed = new Map(
      [...spellings]
        .sort()
        .reverse()
        .map((spelling) => [spelling.toLowerCase(), spelling]),
    );
    this.#spellings = listed;
    const changed: string[] = [];
    for (const [name, spelling] of listed) {
      if (!this.#isRead(name)) continue;
      const known = this.#know(name);
      if (!known.listed) changed.push(name);
      Object.assign(known, { spelling, listed: true });
    }
    for (const [name, known] of this.#known) {
      if (!known.listed || listed.has(name)) continue;
      known.listed = false;
      // A blocking query about a name that does not exist returns at every change of the whole catalog.
      this.unfollow(name);
      changed.push(name);
    }
    return changed;
  }

  /** False for what somebody asked about once. */
  #isRead(name: string): boolean {
    return this.#wanted.has(name) || this.#options.isCandidate(name);
  }

  #know(name: string): Known {
    let known = this.#known.get(name);
    if (!known) this.#known.set(name, (known = { spelling: name, listed: false, index: 0 }));
    return known;
  }

  #forget(name: string): void {
    this.unfollow(name);
    this.#known.delete(name);
  }

  #notify(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }

  async #readOrRetry(name: string): Promise<void> {
    try {
      await this.refresh(name);
    } catch (error) {
      if (this.#options.signal.aborted) return;
      this.#options.log.warn('service could not be read, stays as it was', { service: name, error });
      this.#sweep.schedule();
    }
  }

  /**
   * The first reading of everything. A service that cannot be read stays unknown, which is not empty: whoever needs it
   * asks again, and the others do not wait for it.
   */
  #readAll(): Promise<void> {
    const { log, signal } = this.#options;
    return this.#sweep.all(this.names(), async (name) => {
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
}

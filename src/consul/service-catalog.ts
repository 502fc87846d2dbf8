import PQueue from 'p-queue';
import { backoffMs, sleep } from '../backoff.ts';
import { explainError, type Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { followBlockingQuery } from './blocking-query.ts';
import {
  assertTrustworthy,
  assertWitness,
  decodeHealthState,
  decodeInstances,
  decodeServiceNames,
  healthStateRequest,
  serviceRequest,
  SERVICES_REQUEST,
} from './catalog.ts';
import type { ConsulAnswer, ConsulClient } from './client.ts';
import { UntrustworthyAnswer } from './errors.ts';
import type { ServiceInstance } from './types.ts';

/** One long poll for each followed service, up to here; each is a connection, and Consul allows 200 for one client. */
const MOST_FOLLOWED = 100;
/** More parallel reads bring nothing: 2 000 services take 0.53 s with 8 connections and 0.41 s with 16. */
const SWEEP_CONCURRENCY = 8;
/** A burst of changes is one sweep. */
const SWEEP_DELAY_MS = 200;
const SHORTEST_SWEEP_GAP_MS = 1000;
/** While the catalog churns, the gap between sweeps doubles up to here. */
const LONGEST_SWEEP_GAP_MS = 8000;

/** After a restored snapshot or a Consul that lost its data, applications need time to register again. */
const DISTRUST_MS = 10 * 60_000;

/**
 * Blocking queries of health/service are answered by Consul's streaming backend, which says "no leader known" with every
 * answer (seen on 1.22.0) and so proves nothing. Asking for an order by distance makes it a plain blocking query.
 */
const FROM_THE_LEADER = { near: '_agent' };

export interface ServiceCatalogOptions {
  readonly client: ConsulClient;
  /** Names that are worth reading at all. */
  readonly isCandidate: (name: string) => boolean;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

interface Known {
  /** As Consul spells it; look-ups ignore case. */
  spelling: string;
  listed: boolean;
  index: number;
  instances?: readonly ServiceInstance[];
  following?: AbortController;
}

/**
 * The services of Consul with their instances, by lower-case name (Consul's look-ups ignore case):
 * - `catalog/services` (blocking) tells which names exist, and that some instance came or went;
 * - the lists of critical and warning checks (blocking) name the services whose health changed: these are read at once;
 * - followed services have a blocking query of their own; the others are found by a sweep of plain reads after a wake.
 * A name that was never read is `undefined`, not empty. Whatever would take an instance away is believed only from a
 * complete, current answer about that one service, with the witness visible to the same token.
 */
export class ServiceCatalog {
  readonly #options: ServiceCatalogOptions;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<(name: string) => void>();
  readonly #sweepReads = new PQueue({ concurrency: SWEEP_CONCURRENCY });
  readonly #inState = { critical: new Map<string, string>(), warning: new Map<string, string>() };
  readonly synced: Promise<void>;
  #sweepTimer: NodeJS.Timeout | undefined;
  #sweepAllowedAt = 0;
  #sweepGapMs = SHORTEST_SWEEP_GAP_MS;
  #wentBackAt = -Infinity;
  #failure: string | undefined = 'not read yet';

  constructor(options: ServiceCatalogOptions) {
    this.#options = options;
    this.synced = new Promise((resolve) => this.#start(resolve));
  }

  /** Why the catalog cannot be trusted to be fresh right now. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Lower-case names of everything that Consul lists and that is a candidate. */
  names(): string[] {
    return [...this.#known].filter(([, { listed }]) => listed).map(([name]) => name);
  }

  spelling(name: string): string {
    return this.#known.get(name)?.spelling ?? name;
  }

  /** The instances at the last look; undefined when the service was never read. */
  instances(name: string): readonly ServiceInstance[] | undefined {
    return this.#known.get(name)?.instances;
  }

  subscribe(listener: (name: string) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads one service now. `consistent` asks the leader to confirm that it leads: for reads that decide a removal. */
  async refresh(name: string, consistent = false): Promise<readonly ServiceInstance[]> {
    const known = this.#know(name);
    const request = serviceRequest(known.spelling);
    const { signal } = this.#options;
    const answer = await this.#options.client.get({
      ...request,
      ...(consistent ? { query: { consistent: '' } } : {}),
      signal,
    });
    await this.#take(name, known, answer, consistent);
    return known.instances ?? [];
  }

  /** Follows a service by a blocking query of its own, when there is room for one more. */
  follow(name: string): void {
    const known = this.#know(name);
    if (known.following || !known.listed || this.#followed() >= MOST_FOLLOWED) return;
    known.following = new AbortController();
    const { client, log, metrics, signal } = this.#options;
    void followBlockingQuery({
      client,
      request: { ...serviceRequest(known.spelling), query: FROM_THE_LEADER },
      onAnswer: (answer) => this.#take(name, known, answer, false),
      perSecond: 20,
      log,
      metrics,
      signal: AbortSignal.any([signal, known.following.signal]),
    });
  }

  unfollow(name: string): void {
    const known = this.#known.get(name);
    known?.following?.abort();
    delete known?.following;
  }

  #start(resolve: () => void): void {
    const { client, log, metrics, signal } = this.#options;
    const follow = (
      request: Parameters<typeof followBlockingQuery>[0]['request'],
      perSecond: number,
      onAnswer: (answer: ConsulAnswer) => void | Promise<void>,
    ) =>
      void followBlockingQuery({
        client,
        request,
        onAnswer,
        onFailure: (error) => this.#note(error),
        perSecond,
        log,
        metrics,
        signal,
      });
    let first = true;
    follow(SERVICES_REQUEST, 4, async (answer) => {
      const changed = this.#takeNames(decodeServiceNames(answer));
      if (first) {
        await this.#readAll();
        first = false;
        this.#failure = undefined;
        for (const status of ['critical', 'warning'] as const) {
          const request = healthStateRequest(status);
          follow(request, 10, (state) => this.#takeHealthState(status, decodeHealthState(state, request.purpose)));
        }
        resolve();
        return;
      }
      for (const name of changed) this.#readSoon(name);
      this.#scheduleSweep();
    });
  }

  #note(error: unknown): void {
    this.#failure = error === undefined ? undefined : explainError(error);
  }

  #know(name: string): Known {
    let known = this.#known.get(name);
    if (!known) this.#known.set(name, (known = { spelling: name, listed: false, index: 0 }));
    return known;
  }

  #followed(): number {
    let followed = 0;
    for (const { following } of this.#known.values()) if (following) followed++;
    return followed;
  }

  /** Updates which names exist; returns those that came or went. */
  #takeNames(spellings: readonly string[]): string[] {
    const listed = new Map<string, string>();
    for (const spelling of [...spellings].sort().reverse()) {
      // Several spellings are one service to every look-up; the first in order stands for all.
      if (this.#options.isCandidate(spelling.toLowerCase())) listed.set(spelling.toLowerCase(), spelling);
    }
    const changed: string[] = [];
    for (const [name, spelling] of listed) {
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

  #takeHealthState(status: 'critical' | 'warning', now: Map<string, string>): void {
    const before = this.#inState[status];
    this.#inState[status] = now;
    const changed = [...now]
      .filter(([check]) => !before.has(check))
      .concat([...before].filter(([check]) => !now.has(check)));
    const names = new Set(
      changed.flatMap(([check, service]) =>
        service === '' ? this.#servicesOnNode(check.slice(0, check.indexOf('/'))) : [service.toLowerCase()],
      ),
    );
    for (const name of names) {
      const known = this.#known.get(name);
      // A followed service wakes by itself.
      if (known && !known.following) this.#readSoon(name);
    }
  }

  #servicesOnNode(node: string): string[] {
    return [...this.#known]
      .filter(([, { instances }]) => instances?.some((instance) => instance.node === node))
      .map(([name]) => name);
  }

  #readSoon(name: string): void {
    void this.#sweepReads.add(() => this.#readOrRetry(name), { priority: 1 });
  }

  /** A read that fails costs only itself: the service stays as it was, and the next sweep reads it again. */
  async #readOrRetry(name: string): Promise<void> {
    try {
      await this.refresh(name);
    } catch (error) {
      if (this.#options.signal.aborted) return;
      this.#options.log.warn('service could not be read, stays as it was', { service: name, error });
      this.#scheduleSweep();
    }
  }

  /** The first reading: there is no catalog until every candidate was read once. */
  async #readAll(): Promise<void> {
    const read = async (name: string) => {
      for (let failures = 0; !this.#options.signal.aborted; failures++) {
        try {
          return void (await this.refresh(name));
        } catch (error) {
          this.#options.log.warn('service could not be read, will try again', {
            service: name,
            failures: failures + 1,
            error,
          });
          await sleep(backoffMs(failures, { baseMs: 400, maxMs: 30_000 }), this.#options.signal);
        }
      }
    };
    await Promise.all(this.names().map((name) => this.#sweepReads.add(() => read(name))));
  }

  #scheduleSweep(): void {
    if (this.#sweepTimer || this.#options.signal.aborted) return;
    const wait = Math.max(SWEEP_DELAY_MS, this.#sweepAllowedAt - performance.now());
    // A wake that had to wait for its sweep means that changes go on: leave more room before the next.
    this.#sweepGapMs =
      wait > SWEEP_DELAY_MS ? Math.min(LONGEST_SWEEP_GAP_MS, this.#sweepGapMs * 2) : SHORTEST_SWEEP_GAP_MS;
    this.#sweepTimer = setTimeout(() => void this.#sweep(), wait);
    this.#sweepTimer.unref();
  }

  async #sweep(): Promise<void> {
    const startedAt = performance.now();
    const names = [...this.#known].filter(([, { following, listed }]) => listed && !following).map(([name]) => name);
    await Promise.all(names.map((name) => this.#sweepReads.add(() => this.#readOrRetry(name))));
    const now = performance.now();
    this.#sweepAllowedAt = now + Math.max(this.#sweepGapMs, 2 * (now - startedAt));
    this.#sweepTimer = undefined;
  }

  /**
   * | answer                                   | outcome                                        |
   * |------------------------------------------|------------------------------------------------|
   * | no index, no leader, filtered            | error; nothing changes                         |
   * | index lower than before                  | read again, confirmed by the leader; if still  |
   * |                                          | lower, Consul went back in time                |
   * | an instance less, or none at first sight | believed when the witness is there and Consul  |
   * |                                          | did not go back in the last 10 minutes         |
   * | anything else                            | taken                                          |
   */
  async #take(name: string, known: Known, answer: ConsulAnswer, consistent: boolean): Promise<void> {
    const { purpose } = serviceRequest(known.spelling);
    const instances = decodeInstances(answer, purpose);
    assertTrustworthy(purpose, answer);
    if (answer.index === 0) throw new UntrustworthyAnswer(purpose, 'one without an index');
    if (answer.index < known.index) {
      if (!consistent) return void (await this.refresh(name, true));
      this.#wentBackAt = performance.now();
    }
    const before = known.instances;
    const kept = new Set(instances.map(identity));
    const lost = before ? before.some((instance) => !kept.has(identity(instance))) : instances.length === 0;
    if (lost) await this.#assertBelievable(purpose);
    known.index = answer.index;
    known.instances = instances;
    if (!before || fingerprint(before) !== fingerprint(instances))
      for (const listener of this.#listeners) listener(name);
  }

  /** @throws UntrustworthyAnswer when something missing from an answer proves nothing. */
  async #assertBelievable(purpose: string): Promise<void> {
    if (performance.now() - this.#wentBackAt < DISTRUST_MS) {
      throw new UntrustworthyAnswer(
        purpose,
        'one from a Consul that went back in time: what is missing may only not be back yet',
      );
    }
    await assertWitness(this.#options.client, this.#options.signal);
  }
}

/** An ID is unique on its node only. */
function identity(instance: ServiceInstance): string {
  return `${instance.node}/${instance.id}`;
}

/** What matters to readers; a check's output and the indexes do not. */
function fingerprint(instances: readonly ServiceInstance[]): string {
  return instances
    .map((instance) => JSON.stringify({ ...instance, meta: [...instance.meta] }))
    .sort()
    .join('\n');
}

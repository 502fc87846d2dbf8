import PQueue from 'p-queue';
import { inBackground } from '../../background.ts';
import { hostKey } from '../../address.ts';
import { backoffMs } from '../../backoff.ts';
import type { HostAnswer } from './host-lookup.ts';

/** What is known of a host name. */
export interface KnownHost {
  /** Of the last look-up that succeeded; empty when none did. */
  readonly addresses: readonly string[];
  /** Why the last look-up failed; empty when it did not. */
  readonly failure: string;
}

export interface HostCacheOptions {
  readonly lookUp: (host: string) => Promise<HostAnswer>;
  /** False when no instance of that Consul service has the host any more. */
  readonly isUsedBy: (host: string, service: string) => boolean;
  readonly limits?: HostLimits | undefined;
}

export type HostLimits = Partial<typeof LIMITS>;

const LIMITS = {
  /** Host names at a time; each is looked up again and again. */
  most: 10_000,
  /** An answer counts for its TTL, within these. */
  shortestMs: 5000,
  longestMs: 300_000,
  /** Waits of at most 1, 2, 4 ... 60 s after a failure. */
  retryMs: 1000,
  longestRetryMs: 60_000,
  perSecond: 200,
};
const CONCURRENCY = 16;

interface Entry {
  readonly users: Set<string>;
  addresses: readonly string[];
  failure: string;
  failures: number;
  /** False until the first look-up has an outcome. */
  settled: boolean;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The addresses of host names, looked up in the background:
 * - `want` says that a Consul service needs a name: it is looked up, and its service is told whenever something else is known;
 * - `known` says what is known at this moment, and starts nothing;
 * - the last good answer stays when a look-up fails, for as long as it takes: an instance is not gone because DNS is;
 * - a name is looked up again when its TTL is over, for as long as an instance has it.
 */
export class HostCache {
  readonly #options: HostCacheOptions;
  readonly #limits: typeof LIMITS;
  readonly #entries = new Map<string, Entry>();
  /** From before we started. */
  readonly #remembered = new Map<string, string>();
  readonly #listeners = new Set<(service: string) => void>();
  readonly #queue: PQueue;
  #stopped = false;

  constructor(options: HostCacheOptions, signal: AbortSignal) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#queue = new PQueue({ concurrency: CONCURRENCY, interval: 1000, intervalCap: this.#limits.perSecond });
    signal.addEventListener('abort', () => this.#stop());
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Told of each Consul service that has a host of which something else is known now. */
  subscribe(listener: (service: string) => void): void {
    this.#listeners.add(listener);
  }

  /** What Kubernetes still shows of an earlier look-up: good until there is a newer answer. */
  remember(host: string, address: string): void {
    this.#remembered.set(hostKey(host), address);
  }

  /** Undefined when nothing is known yet. */
  known(host: string): KnownHost | undefined {
    const key = hostKey(host);
    const entry = this.#entries.get(key);
    if (entry) {
      const { addresses, failure, settled } = entry;
      return settled || addresses.length > 0 ? { addresses, failure } : undefined;
    }
    if (this.#isFull) return { addresses: [], failure: `there are more than ${this.#limits.most} host names` };
    const remembered = this.#remembered.get(key);
    return remembered === undefined ? undefined : { addresses: [remembered], failure: '' };
  }

  /** Has a host name looked up for a Consul service, unless there are too many of them. */
  want(host: string, service: string): void {
    const key = hostKey(host);
    const entry = this.#entries.get(key);
    if (entry) entry.users.add(service);
    else if (!this.#isFull) this.#add(key, service);
  }

  /** Resolves when all that was asked for has an outcome. */
  settled(): Promise<void> {
    return this.#queue.onIdle();
  }

  get #isFull(): boolean {
    return this.#entries.size >= this.#limits.most;
  }

  #add(host: string, service: string): void {
    const remembered = this.#remembered.get(host);
    const entry: Entry = {
      ...{ users: new Set([service]), failure: '', failures: 0, settled: false, timer: undefined },
      addresses: remembered === undefined ? [] : [remembered],
    };
    this.#entries.set(host, entry);
    this.#look(host, entry);
  }

  #look(host: string, entry: Entry): void {
    if (!this.#stopped) inBackground(this.#queue.add(() => this.#lookNow(host, entry)));
  }

  async #lookNow(host: string, entry: Entry): Promise<void> {
    for (const service of entry.users) if (!this.#options.isUsedBy(host, service)) entry.users.delete(service);
    if (entry.users.size === 0) {
      this.#remembered.delete(host);
      return void this.#entries.delete(host);
    }
    const before = JSON.stringify([entry.settled, entry.addresses, entry.failure]);
    const wait = await this.#outcome(host, entry);
    entry.settled = true;
    if (this.#stopped) return;
    entry.timer = setTimeout(() => this.#look(host, entry), wait);
    if (JSON.stringify([true, entry.addresses, entry.failure]) === before) return;
    for (const service of entry.users) for (const listener of this.#listeners) listener(service);
  }

  /** Takes in what DNS says; returns when to look again. */
  async #outcome(host: string, entry: Entry): Promise<number> {
    const { shortestMs, longestMs, retryMs, longestRetryMs } = this.#limits;
    try {
      const { addresses, ttlMs } = await this.#options.lookUp(host);
      Object.assign(entry, { addresses, failure: '', failures: 0 });
      return Math.min(longestMs, Math.max(shortestMs, ttlMs));
    } catch (error) {
      entry.failure = error instanceof Error ? error.message : String(error);
      return backoffMs(entry.failures++, { baseMs: retryMs, maxMs: longestRetryMs });
    }
  }

  #stop(): void {
    this.#stopped = true;
    this.#queue.clear();
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
  }
}

import { inBackground } from '../../background.ts';
import { backoffMs, sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import { MOST_LONG_POLLS } from '../../consul/long-polls.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import type { Log } from '../../observability/log.ts';
import type { ForeignSource } from './foreign-source.ts';

/** Long polls rest for this long after Consul allowed no more connections: those of a daemon that was killed are over by then. */
const REST_MS = 60_000;
/** The names beyond that are read in turn: each every 2 s, */
const TURN_MS = 2000;
/** but no more than 20 of them a second: 200 names then take 10 s. */
const SHORTEST_POLL_MS = 50;
/** Full-jitter caps of 1, 2, 4 ... 30 s while they cannot be read. */
const BACKOFF = { baseMs: 1000, maxMs: 30_000 };

export interface FollowedNamesOptions {
  readonly source: Pick<ForeignSource, 'read' | 'follow'>;
  /**
   * Takes in what was read.
   * @param askedAfter how many changes of pods had been seen when it was asked for; 0 where nobody knows
   * @returns the foreign ones of these instances
   */
  readonly take: (
    name: string,
    instances: readonly ServiceInstance[],
    askedAfter: number,
  ) => readonly ServiceInstance[];
  /** Told of each name whose foreign instances changed; it is not followed any more then. */
  readonly onChange: (name: string) => void;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
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
 * Names that pods wait for, each until its foreign instances change: 10 by a long poll each, those beyond in turn by one loop.
 * A name whose long poll Consul refuses (429) is read in turn, and so is every new one for a minute.
 */
export class FollowedNames {
  readonly #options: FollowedNamesOptions;
  readonly #followed = new Map<string, Followed>();
  /** Those of the followed names that are read in turn, in the order of their turns. */
  readonly #inTurn = new Set<string>();
  /** When long polls may begin. */
  #longPollsFrom = -Infinity;
  #isPolling = false;
  #failures = 0;

  constructor(options: FollowedNamesOptions) {
    this.#options = options;
  }

  has(name: string): boolean {
    return this.#followed.has(name);
  }

  /** @param instances the foreign ones that are known */
  follow(name: string, spelling: string, instances: readonly ServiceInstance[]): void {
    if (this.#followed.has(name)) return;
    const before = locationsOf(instances);
    if (this.#hasRoom()) this.#followByLongPoll(name, spelling, before);
    else this.#followInTurn(name, spelling, before);
  }

  /** Somebody else has read a name that may be followed: a pod that waits must hear of it, even if all is as before at the next look. */
  take(name: string, instances: readonly ServiceInstance[], askedAfter: number): void {
    const followed = this.#followed.get(name);
    if (followed) this.#judge(name, followed.before, instances, askedAfter);
    else this.#options.take(name, instances, askedAfter);
  }

  #hasRoom(): boolean {
    const longPolls = this.#followed.size - this.#inTurn.size;
    return longPolls < MOST_LONG_POLLS.duplicates && this.#options.clock.now() >= this.#longPollsFrom;
  }

  #followByLongPoll(name: string, spelling: string, before: string): void {
    const { source, clock } = this.#options;
    const onInstances = (instances: readonly ServiceInstance[]) => this.#judge(name, before, instances);
    const stop = source.follow(spelling, onInstances, () => {
      stop();
      this.#longPollsFrom = clock.now() + REST_MS;
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
    const { signal, clock } = this.#options;
    if (this.#isPolling || this.#inTurn.size === 0 || signal.aborted) return;
    this.#isPolling = true;
    const backoff = this.#failures > 0 ? backoffMs(this.#failures - 1, BACKOFF) : 0;
    const wait = Math.max(SHORTEST_POLL_MS, TURN_MS / this.#inTurn.size, backoff);
    inBackground(sleep(wait, signal, clock).then(() => (signal.aborted ? undefined : this.#readInTurn())));
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

  #judge(name: string, before: string, instances: readonly ServiceInstance[], askedAfter = 0): void {
    const isFollowed = this.#followed.get(name)?.before === before;
    if (isFollowed && locationsOf(this.#options.take(name, instances, askedAfter)) !== before) this.#changed(name);
  }

  #changed(name: string): void {
    this.#followed.get(name)?.stop();
    this.#followed.delete(name);
    this.#fillLongPolls();
    this.#options.onChange(name);
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

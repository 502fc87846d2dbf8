import { inBackground } from '../background.ts';
import { backoffMs, sleep } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../observability/log.ts';
import type { RetryBrake } from '../retry-brake.ts';
import { NotBelieved } from './absence.ts';
import { decodeServiceNames, SERVICES_REQUEST } from './catalog.ts';
import type { ConsulReader } from './client.ts';
import type { KnownServices } from './known-services.ts';
import { isReadableName } from './readable-name.ts';
import { restAfter } from './rest.ts';
import { Sweep, type SweepPace } from './sweep.ts';
import type { TimeLine } from './time-line.ts';

const FIRST_READ_ATTEMPTS = 3;
/**
 * For the list of names worth reading Consul looks at every instance that it has: 0.4 s with 50 000 of them, 1 s with 150 000. So
 * it may take a fortieth of Consul's time, as long as that leaves no more than 30 s between two of them.
 */
const LIST_REST = { inCosts: 40, longestMs: 30_000 };

export interface ServiceReadsOptions {
  readonly client: ConsulReader;
  readonly known: KnownServices;
  readonly timeLine: Pick<TimeLine, 'takeNamesIndex'>;
  /** Reads one service now and takes in the answer. */
  readonly read: (name: string) => Promise<void>;
  /** Instances that are worth reading, in Consul's filter language. */
  readonly filter: string;
  /** What could not be read waits here before it is read again. */
  readonly brake: Pick<RetryBrake, 'turn' | 'tryTake' | 'giveBack'>;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly sweepPace?: SweepPace | undefined;
}

/**
 * Decides when which service is read: all of them at first, single ones soon, and the rest by sweeps. A service that
 * cannot be read waits for its turn at the brake, or until Consul is believed again; it is read at the next sweep then, and by no
 * sweep before. The log warns of it once, until it can be read. A name that nobody can ask for is never read.
 */
export class ServiceReads {
  readonly #options: ServiceReadsOptions;
  readonly #sweep: Sweep;
  /** Names of which the log says already that they could not be read. */
  readonly #complainedOf = new Set<string>();
  /** Names that wait for their turn to be read again, */
  readonly #again = new Set<string>();
  /** and those of them that no sweep reads before. */
  readonly #resting = new Set<string>();
  /** When Consul may be asked again which names are worth reading. */
  #listFrom = -Infinity;
  #isListPlanned = false;

  constructor(options: ServiceReadsOptions) {
    this.#options = options;
    const { signal, clock } = options;
    this.#sweep = new Sweep({
      due: () => this.#dueOrLater(),
      read: (name) => this.#readOrLater(name),
      ...{ signal, clock, pace: options.sweepPace },
    });
  }

  /** Reads everything that is due as soon as the distance to the last sweep allows. */
  schedule(): void {
    this.#sweep.schedule();
  }

  /** Reads one service before all that wait for their sweep. */
  readSoon(name: string): void {
    if (isReadableName(name)) this.#sweep.readSoon(name);
  }

  /** Reads one service at the time of the next sweep, without sweeping for its sake. */
  readLater(name: string): void {
    this.#sweep.readLater(name);
  }

  /** A service could not be read as a whole. */
  failed(name: string, error: unknown): void {
    const level = this.#complainedOf.has(name) ? 'debug' : 'warn';
    this.#complainedOf.add(name);
    this.#options.log[level]('service could not be read as a whole, the rest stays as it was', {
      service: name,
      error,
    });
    this.readAgain(name, error instanceof NotBelieved ? error.inMs : undefined);
  }

  /**
   * Reads one service again, which could not be read or of whose changes nobody tells any more.
   * @param inMs after so long at the earliest; without it as soon as its turn comes
   */
  readAgain(name: string, inMs?: number): void {
    const { brake, clock, signal } = this.#options;
    if (this.#again.has(name)) return;
    this.#again.add(name);
    if (inMs === undefined) this.#resting.add(name);
    const turn =
      inMs === undefined ? brake.turn({ failures: 1, isWanted: () => !signal.aborted }) : sleep(inMs, signal, clock);
    inBackground(
      turn.then(() => {
        this.#again.delete(name);
        this.#resting.delete(name);
        this.#sweep.readLater(name);
      }),
    );
  }

  /**
   * The names that a sweep reads: all that are worth reading, as Consul says, or as it said the last time where it may not be asked
   * again yet. Then another sweep asks as soon as it may.
   */
  async #due(): Promise<Iterable<string>> {
    const { known, clock } = this.#options;
    if (known.areAllWatched()) return [];
    const restMs = this.#listFrom - clock.now();
    if (restMs > 0) this.#listLater(restMs);
    const due = restMs > 0 ? known.dueAsBefore() : known.takeCandidates(await this.#list());
    for (const name of due) if (this.#resting.has(name) || !isReadableName(name)) due.delete(name);
    return due;
  }

  async #list(): Promise<string[]> {
    const { client, filter, clock, signal, timeLine } = this.#options;
    const askedAt = clock.now();
    const answer = await client.get({ ...SERVICES_REQUEST, query: { filter }, signal });
    this.#listFrom = clock.now() + restAfter(clock.now() - askedAt, LIST_REST);
    const names = decodeServiceNames(answer);
    await timeLine.takeNamesIndex(answer.index);
    return names;
  }

  #listLater(ms: number): void {
    if (this.#isListPlanned) return;
    this.#isListPlanned = true;
    const { signal, clock } = this.#options;
    inBackground(
      sleep(ms, signal, clock).then(() => {
        this.#isListPlanned = false;
        if (!signal.aborted) this.schedule();
      }),
    );
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
      await this.#options.read(name);
      if (this.#complainedOf.delete(name)) this.#options.brake.giveBack();
    } catch (error) {
      if (!this.#options.signal.aborted) this.failed(name, error);
    }
  }

  /**
   * The first reading of everything. A service that cannot be read stays unknown, which is not empty: whoever needs it
   * asks again, and the others do not wait for it.
   */
  async readAll(): Promise<void> {
    const { brake, clock, log, read, signal } = this.#options;
    await this.#sweep.all([...(await this.#due())], async (name) => {
      for (let attempt = 1; attempt <= FIRST_READ_ATTEMPTS && !signal.aborted; attempt++) {
        try {
          return await read(name);
        } catch (error) {
          if (error instanceof NotBelieved) return this.failed(name, error);
          log.warn('service could not be read', { service: name, attempt, error });
          if (!brake.tryTake(1)) return;
          await sleep(backoffMs(attempt, { baseMs: 100, maxMs: 2000 }), signal, clock);
        }
      }
    });
  }
}

import { backoffMs, sleep } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../observability/log.ts';
import { NotBelieved } from './absence.ts';
import { decodeServiceNames, SERVICES_REQUEST } from './catalog.ts';
import type { ConsulReader } from './client.ts';
import type { KnownServices } from './known-services.ts';
import { Sweep, type SweepPace } from './sweep.ts';
import type { TimeLine } from './time-line.ts';

const FIRST_READ_ATTEMPTS = 3;

export interface ServiceReadsOptions {
  readonly client: ConsulReader;
  readonly known: KnownServices;
  readonly timeLine: Pick<TimeLine, 'takeNamesIndex'>;
  /** Reads one service now and takes in the answer. */
  readonly read: (name: string) => Promise<void>;
  /** Instances that are worth reading, in Consul's filter language. */
  readonly filter: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly sweepPace?: SweepPace | undefined;
}

/**
 * Decides when which service is read: all of them at first, single ones soon, and the rest by sweeps. A service that
 * cannot be read is read again at the next sweep, or when Consul is believed again; the log warns of it once, until it can be
 * read.
 */
export class ServiceReads {
  readonly #options: ServiceReadsOptions;
  readonly #sweep: Sweep;
  /** Names of which the log says already that they could not be read. */
  readonly #complainedOf = new Set<string>();
  /** Names that are read again when Consul is believed again. */
  readonly #awaited = new Set<string>();

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
    this.#sweep.readSoon(name);
  }

  /** A service could not be read as a whole. */
  readAgain(name: string, error: unknown): void {
    this.#complain(name, error);
    const until = error instanceof NotBelieved ? error.until : undefined;
    if (!until) return this.#sweep.readLater(name);
    if (this.#awaited.has(name)) return;
    this.#awaited.add(name);
    const { clock, signal } = this.#options;
    const stop = clock.after(Math.max(0, until.getTime() - clock.date().getTime()), () => {
      this.#awaited.delete(name);
      this.#sweep.readSoon(name);
    });
    signal.addEventListener('abort', stop, { once: true });
  }

  /** The names that a sweep reads. */
  async #due(): Promise<Iterable<string>> {
    const { client, filter, known, signal } = this.#options;
    if (known.areAllWatched()) return [];
    const answer = await client.get({ ...SERVICES_REQUEST, query: { filter }, signal });
    const names = decodeServiceNames(answer);
    await this.#options.timeLine.takeNamesIndex(answer.index);
    return known.takeCandidates(names);
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
      this.#complainedOf.delete(name);
    } catch (error) {
      if (!this.#options.signal.aborted) this.readAgain(name, error);
    }
  }

  #complain(service: string, error: unknown): void {
    const level = this.#complainedOf.has(service) ? 'debug' : 'warn';
    this.#complainedOf.add(service);
    this.#options.log[level]('service could not be read as a whole, the rest stays as it was', { service, error });
  }

  /**
   * The first reading of everything. A service that cannot be read stays unknown, which is not empty: whoever needs it
   * asks again, and the others do not wait for it.
   */
  async readAll(): Promise<void> {
    const { clock, log, read, signal } = this.#options;
    await this.#sweep.all([...(await this.#due())], async (name) => {
      for (let attempt = 1; attempt <= FIRST_READ_ATTEMPTS && !signal.aborted; attempt++) {
        try {
          return await read(name);
        } catch (error) {
          log.warn('service could not be read', { service: name, attempt, error });
          await sleep(backoffMs(attempt, { baseMs: 100, maxMs: 2000 }), signal, clock);
        }
      }
    });
  }
}

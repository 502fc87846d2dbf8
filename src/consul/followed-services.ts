import { inBackground } from '../background.ts';
import { sleep } from '../backoff.ts';
import { systemClock, type Clock } from '../clock.ts';
import { followBlockingQuery, type BlockingQueryOptions } from './blocking-query.ts';
import { FROM_THE_LEADER, instancesRequest } from './catalog.ts';
import { ConsulError } from './errors.ts';
import { Failures } from './failures.ts';
import type { Known } from './known-services.ts';
import { MOST_LONG_POLLS } from './long-polls.ts';

/** Once in the 30 s of a wait: a service whose checks put out something new all the time is left to the health lists and sweeps. */
const FUTILE_PER_SECOND = 1 / 30;
/** From one long poll that begins to the next: all of them within 5 s. */
const STEP_MS = 125;
/** Consul has ended by then what it keeps for clients that died. */
const REST_MS = 35_000;
/** After the rest, while there are fewer than there should be. */
const SCARCE_STEP_MS = 10_000;
const BACKOFF = { baseMs: 400, maxMs: 30_000 };

type Take = BlockingQueryOptions['onAnswer'];

export interface FollowedOptions extends Omit<
  BlockingQueryOptions,
  'request' | 'perSecond' | 'futilePerSecond' | 'onAnswer' | 'onPause' | 'onFailure'
> {
  /** Told of a service whose long poll ended without anybody's wish: what changed since then is unknown. */
  readonly onLost: (known: Known) => void;
}

/**
 * The services with a blocking query of their own, while there is room. Only what Consul lists is followed. Those that are to
 * be followed stand in one line:
 *
 * | what happens                             | what is done                                                          |
 * |------------------------------------------|-----------------------------------------------------------------------|
 * | there is room                            | the first in line is followed; the next 125 ms later                  |
 * | a long poll fails                        | its service goes to the end of the line, which waits with backoff     |
 * | Consul allows no more (429), to anybody  | half of them end, those that began last, and go to the end of the     |
 * |                                          | line, which rests for 35 s; then one begins every 10 s, until all do  |
 *
 * The number grows back because most often the room is taken by the long polls of a daemon that was killed, which are over
 * soon; slowly, because each try beyond the limit makes Consul refuse other programs of the machine too. A service in the
 * line is read by sweeps and for its health, so it is only noticed a little later when it changes.
 */
export class FollowedServices {
  readonly #options: FollowedOptions;
  readonly #clock: Clock;
  readonly #line = new Map<Known, Take>();
  readonly #followed = new Map<Known, Take>();
  readonly #failures: Failures;
  /** When the first in line may begin. */
  #nextAt = -Infinity;
  #isWaiting = false;
  #isScarce = false;

  constructor(options: FollowedOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#failures = new Failures({ ...BACKOFF, ...(options.random ? { random: options.random } : {}) });
  }

  /** @param take judges and takes in an answer about the service; true when something that matters changed */
  follow(known: Known, take: Take): void {
    if (known.following || !known.listed) return;
    this.#line.set(known, take);
    this.#advance();
  }

  unfollow(known: Known): void {
    this.#line.delete(known);
    if (!known.following) return;
    known.following.stop.abort();
    delete known.following;
    this.#followed.delete(known);
    this.#advance();
  }

  /** Consul allows this address no more connections. */
  refused(): void {
    const most = Math.floor(this.#followed.size / 2);
    this.#options.log.warn('Consul allows no more connections, following fewer services for a while', { most });
    this.#isScarce = true;
    this.#nextAt = this.#clock.now() + REST_MS;
    for (const [known, take] of [...this.#followed].slice(most)) this.#lose(known, take);
  }

  /** Begins with the first in line after a while, if there is room. */
  #advance(): void {
    if (this.#line.size === 0 || this.#followed.size >= MOST_LONG_POLLS.followed) this.#isScarce = false;
    else if (!this.#isWaiting) inBackground(this.#beginFirst());
  }

  async #beginFirst(): Promise<void> {
    const { signal } = this.#options;
    this.#isWaiting = true;
    // A failure in the meantime makes the wait longer.
    while (this.#clock.now() < this.#nextAt && !signal.aborted)
      await sleep(this.#nextAt - this.#clock.now(), signal, this.#clock);
    this.#isWaiting = false;
    const [first] = this.#line;
    if (signal.aborted) return;
    if (first && this.#followed.size < MOST_LONG_POLLS.followed) {
      this.#nextAt = this.#clock.now() + (this.#isScarce ? SCARCE_STEP_MS : STEP_MS);
      this.#begin(...first);
    }
    this.#advance();
  }

  #begin(known: Known, take: Take): void {
    const { signal, log } = this.#options;
    const following = { stop: new AbortController(), paused: false };
    known.following = following;
    this.#line.delete(known);
    this.#followed.set(known, take);
    inBackground(
      followBlockingQuery({
        ...this.#options,
        request: { ...instancesRequest(known.spelling), query: FROM_THE_LEADER },
        newestIndex: () => known.index,
        onAnswer: (answer) => {
          this.#failures.end();
          return take(answer);
        },
        onFailure: (error) => this.#failed(known, take, error),
        onPause: (paused) => (following.paused = paused),
        perSecond: 5,
        futilePerSecond: FUTILE_PER_SECOND,
        // A service that loses its long poll is not lost: if it cannot be read either, that is worth a warning.
        log: { ...log, warn: (message, fields) => log.debug(message, fields) },
        signal: AbortSignal.any([signal, following.stop.signal]),
      }),
    );
  }

  #failed(known: Known, take: Take, error: unknown): void {
    // First, or the next in line would begin at once.
    this.#nextAt = Math.max(this.#nextAt, this.#clock.now() + this.#failures.next(error));
    // A Consul that comes back with less than it had would keep a question waiting that has an index of before.
    known.index = 0;
    this.#lose(known, take);
    if (error instanceof ConsulError && error.isTooMany) this.refused();
  }

  /** To the end of the line. */
  #lose(known: Known, take: Take): void {
    this.unfollow(known);
    this.follow(known, take);
    this.#options.onLost(known);
  }
}

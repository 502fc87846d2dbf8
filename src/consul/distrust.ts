import { systemClock, type Clock } from '../clock.ts';

/** After a restored snapshot or a Consul that lost its data, applications need time to register again. */
const DISTRUST_MS = 10 * 60_000;

/**
 * The knowledge that Consul lost data, or was put back to an older state. For ten minutes from then on, an instance that
 * is missing from Consul may only not be back yet.
 */
export class Distrust {
  readonly #clock: Pick<Clock, 'now' | 'date'>;
  #lostAt: Date | undefined;
  #until = -Infinity;

  constructor(clock: Pick<Clock, 'now' | 'date'> = systemClock) {
    this.#clock = clock;
  }

  /** @param lostAt by the clock of some machine, which may be wrong: the distrust lasts ten minutes at the longest */
  begin(lostAt = this.#clock.date()): void {
    const remaining = lostAt.getTime() + DISTRUST_MS - this.#clock.date().getTime();
    this.#lostAt = lostAt;
    this.#until = this.#clock.now() + Math.min(DISTRUST_MS, remaining);
  }

  /** When Consul lost data; undefined when it did not, or when that was too long ago to count. */
  get lostAt(): Date | undefined {
    return this.#clock.now() < this.#until ? this.#lostAt : undefined;
  }
}

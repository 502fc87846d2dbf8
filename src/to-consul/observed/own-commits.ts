import type { Clock } from '../../clock.ts';

/** So long after a commit whose index Consul did not tell, a wake is taken for the wake of that commit. */
const UNKNOWN_MS = 1000;

/**
 * Whether a wake of Consul's is most likely our own doing:
 *
 * | at the time of the wake                                                        | our own doing |
 * |--------------------------------------------------------------------------------|---------------|
 * | its index is not higher than that of our last commit                           | yes           |
 * | a transaction of ours is on its way                                            | yes           |
 * | one came back less than 1 s ago without an index (Consul tells none of removals) | yes         |
 * | anything else                                                                  | no            |
 *
 * A wake that is our own doing may still hide a change of somebody else's just before it.
 */
export class OwnCommits {
  readonly #clock: Clock;
  #lastIndex = 0;
  #onTheirWay = 0;
  #unknownAt = -Infinity;
  /** Called whenever one came back. */
  onEnd = (): void => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isOurDoing(index: number): boolean {
    return index <= this.#lastIndex || this.#onTheirWay > 0 || this.#clock.now() - this.#unknownAt < UNKNOWN_MS;
  }

  /** Something of ours was written at that index. */
  note(index: number): void {
    this.#lastIndex = Math.max(this.#lastIndex, index);
  }

  begin(): void {
    this.#onTheirWay++;
  }

  end(isIndexKnown: boolean): void {
    this.#onTheirWay--;
    this.onEnd();
    if (!isIndexKnown) this.#unknownAt = this.#clock.now();
  }

  /** Consul may have gone back in time: the index that we remember means nothing any more. */
  forgetIndex(): void {
    this.#lastIndex = 0;
  }
}

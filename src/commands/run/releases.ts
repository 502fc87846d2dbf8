import {
  explainOutcome,
  HASH_FORM,
  readReleaseRequest,
  writeOutcome,
  type ReleaseOutcome,
} from '../../guard/release-request.ts';
import type { Log } from '../../observability/log.ts';

/** A direction, as far as it lets go what it retains; it tells of that in the log itself. */
export interface Releasing {
  release(
    hash: string,
  ):
    | { readonly outcome: 'released'; readonly instances: readonly unknown[]; readonly staying: number }
    | { readonly outcome: 'unknown' };
}

/** Carries out what operators ask to be released, by the Lease or by the control file, and says what became of it. */
export class Releases {
  readonly #directions: () => readonly Releasing[] | undefined;
  readonly #log: Log;
  #latest: string | undefined;
  /** What was asked for before anything could be released. */
  #waiting: string[] = [];

  /** @param directions those that run; undefined before it is known what they retain */
  constructor(directions: () => readonly Releasing[] | undefined, log: Log) {
    this.#directions = directions;
    this.#log = log;
  }

  /** What became of the hash that was asked for last, for an annotation; undefined when that was no hash, or nothing was asked for yet. */
  get latest(): string | undefined {
    return this.#latest;
  }

  /** @param text as an operator wrote it: hashes, one a line */
  request(text: string): void {
    const directions = this.#directions();
    if (!directions) return void this.#waiting.push(text);
    this.#latest = undefined;
    const { hashes, malformed } = readReleaseRequest(text);
    for (const found of malformed) this.#log.warn('cannot release what is no hash', { expected: HASH_FORM, found });
    for (const hash of hashes) {
      const outcome = release(hash, directions);
      this.#latest = writeOutcome(outcome);
      if (!outcome.isKnown) this.#log.warn('cannot release', { hash, why: explainOutcome(outcome) });
    }
  }

  /** It is known what the directions retain. */
  begin(): void {
    for (const text of this.#waiting.splice(0)) this.request(text);
  }
}

function release(hash: string, directions: readonly Releasing[]): ReleaseOutcome {
  const released = directions.map((direction) => direction.release(hash)).filter((one) => one.outcome === 'released');
  return {
    hash,
    isKnown: released.length > 0,
    released: released.reduce((sum, { instances }) => sum + instances.length, 0),
    staying: released.reduce((sum, { staying }) => sum + staying, 0),
  };
}

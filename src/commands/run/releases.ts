import type { Released } from '../../guard/retained.ts';
import {
  explainOutcome,
  HASH_FORM,
  readReleaseRequest,
  writeOutcome,
  type ReleaseOutcome,
} from '../../guard/release-request.ts';
import type { Log } from '../../observability/log.ts';

/** A direction, as far as it retains anything. */
export interface Releasing {
  release(hash: string): Released;
}

/** Carries out what operators ask to be released, by the Lease or by the control file, and says what became of it. */
export class Releases {
  readonly #directions: () => readonly Releasing[];
  readonly #log: Log;
  #latest: string | undefined;

  /** @param directions those that run now */
  constructor(directions: () => readonly Releasing[], log: Log) {
    this.#directions = directions;
    this.#log = log;
  }

  /** What became of the latest hash, for an annotation; undefined before the first one. */
  get latest(): string | undefined {
    return this.#latest;
  }

  /** @param text as an operator wrote it: hashes, one a line */
  request(text: string): void {
    const { hashes, malformed } = readReleaseRequest(text);
    for (const found of malformed) this.#log.warn('cannot release what is no hash', { expected: HASH_FORM, found });
    for (const hash of hashes) {
      const outcome = this.#release(hash);
      this.#latest = writeOutcome(outcome);
      this.#log[outcome.isKnown ? 'info' : 'warn'](explainedIn(outcome), { ...outcome, why: explainOutcome(outcome) });
    }
  }

  #release(hash: string): ReleaseOutcome {
    const known = this.#directions()
      .map((direction) => direction.release(hash))
      .filter((released) => released.isKnown);
    return {
      hash,
      isKnown: known.length > 0,
      released: known.reduce((sum, { members }) => sum + members.length, 0),
      staying: known.reduce((sum, { staying }) => sum + staying, 0),
    };
  }
}

const explainedIn = ({ isKnown }: ReleaseOutcome) =>
  isKnown ? 'released what was retained, as an operator asks' : 'cannot release what an operator asks for';

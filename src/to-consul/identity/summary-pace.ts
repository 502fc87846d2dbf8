import type { Clock } from '../../clock.ts';
import type { Summary } from './summary.ts';

/** When a summary that changed is written. */
export interface EntryPace {
  /** The text changes with the cluster; a Raft entry for each change of it would be a heartbeat. */
  readonly gapMs: number;
  /** A text that changes and changes back, as in a rolling update, is not worth a write. */
  readonly steadyMs: number;
  /** Where the text never holds still, that of the moment has to do. */
  readonly longestMs: number;
  readonly tickMs: number;
}

const ENTRY_PACE: EntryPace = { gapMs: 30_000, steadyMs: 5000, longestMs: 60_000, tickMs: 1000 };

/** A summary that is not in Consul yet: since when it is the latest, and since when Consul has a wrong one. */
interface Pending {
  readonly summary: Summary;
  readonly since: number;
  readonly first: number;
}

/**
 * When the summary is worth a write. It is never written to say "still alive":
 *
 * | the summary                                        | is written                                        |
 * |----------------------------------------------------|---------------------------------------------------|
 * | is what was written                                | not                                               |
 * | is another, and has held still for 5 s             | when the last write is 30 s ago                   |
 * | is another, and changes all the time               | when it has been another for a minute, and the same |
 * | was written, and somebody changed the catalog since | looked at again, and written where Consul has another |
 */
export class SummaryPace {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #pace: EntryPace;
  #writtenAt = -Infinity;
  #written: Summary | undefined;
  #pending: Pending | undefined;

  /** @param pace @default ENTRY_PACE */
  constructor(clock: Pick<Clock, 'now'>, pace: EntryPace = ENTRY_PACE) {
    this.#clock = clock;
    this.#pace = pace;
  }

  get tickMs(): number {
    return this.#pace.tickMs;
  }

  isDue(summary: Summary): boolean {
    const { gapMs, steadyMs, longestMs } = this.#pace;
    const now = this.#clock.now();
    const first = this.#pending?.first ?? now;
    if (isSame(summary, this.#written)) this.#pending = undefined;
    else if (!isSame(summary, this.#pending?.summary)) this.#pending = { summary, since: now, first };
    if (!this.#pending || now - this.#writtenAt < gapMs) return false;
    return now - this.#pending.since >= steadyMs || now - this.#pending.first >= longestMs;
  }

  /** A try to write it begins. */
  begins(): void {
    this.#writtenAt = this.#clock.now();
  }

  /** Consul has it now. */
  written(summary: Summary): void {
    this.#written = summary;
  }

  /** Somebody may have changed what was written. */
  forget(): void {
    this.#written = undefined;
  }
}

function isSame(a: Summary, b: Summary | undefined): boolean {
  return a.status === b?.status && a.output === b.output;
}

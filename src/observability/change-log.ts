import type { Clock } from '../clock.ts';
import type { Fields, Log } from './log.ts';
import type { Direction } from './metrics.ts';

/** The message of the record. */
export type Action = 'registered' | 'changed' | 'deregistered' | 'created' | 'updated' | 'deleted';

export interface ChangeLogOptions {
  readonly log: Pick<Log, 'info'>;
  readonly clock: Pick<Clock, 'after'>;
  /** Records of single changes in a second, in both directions. @default 20 */
  readonly perSecond?: number;
  /** The same of one key, so that one that changes all the time does not take the records of the others. @default 5 */
  readonly perKey?: number;
}

/**
 * One record for each change that a system took, in either direction: so the log says when and why something left it. Of more
 * than 20 in a second the rest is one record, `and more changes`, with their number for each action.
 */
export class ChangeLog {
  readonly #options: Required<ChangeLogOptions>;
  /** Undefined while nothing was changed within a second. */
  #second: { written: number; readonly byKey: Map<string, number>; readonly more: Map<string, number> } | undefined;
  #cancel: () => void = () => undefined;

  constructor(options: ChangeLogOptions) {
    this.#options = { perSecond: 20, perKey: 5, ...options };
  }

  /** @param describe asked for what is written, and for nothing else */
  note(direction: Direction, key: string, action: Action, describe: () => Fields): void {
    const { log, perSecond, perKey } = this.#options;
    const second = (this.#second ??= this.#begin());
    const ofKey = (second.byKey.get(key) ?? 0) + 1;
    if (second.written < perSecond && ofKey <= perKey) {
      second.written++;
      second.byKey.set(key, ofKey);
      return log.info(action, { direction, ...describe() });
    }
    second.more.set(action, (second.more.get(action) ?? 0) + 1);
  }

  /** Writes the sum of what was not written for itself. */
  flush(): void {
    this.#cancel();
    const more = this.#second?.more;
    this.#second = undefined;
    if (more && more.size > 0) this.#options.log.info('and more changes', Object.fromEntries(more));
  }

  #begin() {
    this.#cancel = this.#options.clock.after(1000, () => this.flush());
    return { written: 0, byKey: new Map<string, number>(), more: new Map<string, number>() };
  }
}

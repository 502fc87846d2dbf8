import type { Clock } from '../clock.ts';
import type { Fields, Log } from './log.ts';
import type { Direction } from './metrics.ts';

/** The message of the record. */
export type Action = 'registered' | 'changed' | 'deregistered' | 'created' | 'updated' | 'deleted';

export interface ChangeLogOptions {
  readonly log: Pick<Log, 'info'>;
  readonly clock: Pick<Clock, 'after' | 'date'>;
  /** Records of single changes in a second, in both directions. @default 20 */
  readonly perSecond?: number;
  /** The same of one key, so that one that changes all the time does not take the records of the others. @default 5 */
  readonly perKey?: number;
}

/** A change that a system took. */
export interface LatestChange {
  readonly at: Date;
  readonly action: Action;
  /** In Consul. */
  readonly service: string;
  /** The pod, `namespace/name`, or the object in Kubernetes with its kind. */
  readonly object: string;
}

/** What was changed within a second. */
interface Second {
  written: number;
  readonly byKey: Map<string, number>;
  /** Of what was not written for itself: how many by action, and by Consul service. */
  readonly more: Map<string, number>;
  readonly services: Map<string, number>;
}

/** A sum names so many services, those with most changes first. */
const MOST_SERVICES = 10;

/**
 * One record for each change that a system took, in either direction: so the log says when and why something left it. Of more
 * than 20 in a second the rest is one record, `and more changes`, with their number for each action and each Consul service.
 */
export class ChangeLog {
  readonly #options: Required<ChangeLogOptions>;
  /** Undefined while nothing was changed within a second. */
  #second: Second | undefined;
  #cancel: () => void = () => undefined;
  readonly #latest = new Map<Direction, LatestChange>();

  constructor(options: ChangeLogOptions) {
    this.#options = { perSecond: 20, perKey: 5, ...options };
  }

  /** The last change in that direction since this process runs; undefined before the first. */
  latest(direction: Direction): LatestChange | undefined {
    return this.#latest.get(direction);
  }

  /**
   * @param service in Consul
   * @param describe asked for what is written, and for nothing else
   */
  note(direction: Direction, key: string, action: Action, service: string, describe: () => Fields): void {
    const { log, perSecond, perKey } = this.#options;
    this.#latest.set(direction, { at: this.#options.clock.date(), action, service, object: key });
    const second = (this.#second ??= this.#begin());
    const ofKey = (second.byKey.get(key) ?? 0) + 1;
    if (second.written < perSecond && ofKey <= perKey) {
      second.written++;
      second.byKey.set(key, ofKey);
      return log.info(action, { direction, service, ...describe() });
    }
    second.more.set(action, (second.more.get(action) ?? 0) + 1);
    second.services.set(service, (second.services.get(service) ?? 0) + 1);
  }

  /** Writes the sum of what was not written for itself. */
  flush(): void {
    this.#cancel();
    const second = this.#second;
    this.#second = undefined;
    if (!second || second.more.size === 0) return;
    const most = [...second.services].sort(([, a], [, b]) => b - a);
    const named = most.slice(0, MOST_SERVICES).map(([service, count]) => `${service} ${count}`);
    const others = most.length > named.length ? [`and ${most.length - named.length} more`] : [];
    const services = [...named, ...others].join(', ');
    this.#options.log.info('and more changes', { ...Object.fromEntries(second.more), services });
  }

  #begin(): Second {
    this.#cancel = this.#options.clock.after(1000, () => this.flush());
    return { written: 0, byKey: new Map(), more: new Map(), services: new Map() };
  }
}

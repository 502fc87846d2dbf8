import { createHash } from 'node:crypto';

/** So long a hash is good for: time enough to look at what it stands for, and to ask somebody. */
export const HASH_LASTS_MS = 60 * 60_000;
/** As many hashes are remembered. Each is some bytes, whatever it stands for. */
const MOST_HASHES = 10_000;
const HASH_LENGTH = 8;

/** A member that would go and is kept. */
export interface RetainedMember {
  readonly service: string;
  /** Unique in the direction. */
  readonly member: string;
  /** Why it would go, in words. */
  readonly why: string;
  readonly sinceMs: number;
}

/** A member as it is shown to people. */
export interface ShownMember {
  readonly service: string;
  /** By the name that people know it under. */
  readonly instance: string;
  readonly why: string;
  /** By this process. */
  readonly since: Date;
}

/** What a direction retains because much was lost at once, as it is shown to people. */
export interface Retaining<M extends Pick<ShownMember, 'service' | 'why' | 'since'> = ShownMember> {
  /** Under which it can be released for an hour; undefined when nothing is retained. */
  readonly hash: string | undefined;
  readonly instances: readonly M[];
}

/** What a hash released. */
export type Release =
  | {
      readonly outcome: 'released';
      readonly instances: readonly Pick<ShownMember, 'service' | 'instance'>[];
      /** How many are retained still: they came later. */
      readonly staying: number;
    }
  /** Nothing was shown under that hash within the last hour. */
  | { readonly outcome: 'unknown' };

/** Since when by the time of day. @param nowMs the same moment as the date */
export function shownSince({ sinceMs }: Pick<RetainedMember, 'sinceMs'>, nowMs: number, date: Date): Date {
  return new Date(date.getTime() - (nowMs - sinceMs));
}

interface Kept extends RetainedMember {
  /** Counts upwards: what has a higher number was kept later. */
  readonly number: number;
}

interface Shown {
  readonly hash: string;
  /** In the order of their names. */
  readonly members: readonly RetainedMember[];
}

export type Released =
  /** What was shown under that hash and is still kept; how many stay, which were kept later. */
  | { readonly isKnown: true; readonly members: readonly RetainedMember[]; readonly staying: number }
  /** Nothing was shown under that hash, or too long ago. */
  | { readonly isKnown: false };

/**
 * What a direction retains right now: members that would go and that the breaker keeps. All of them together are shown under
 * a hash of their names, and who releases a hash lets go what he was shown: the members that were kept then and have been
 * ever since. The same members have the same hash, in any process; so what is retained can be released under its hash after a
 * restart too.
 */
export class Retained {
  readonly #members = new Map<string, Kept>();
  /** Hashes with the number of the latest member that was kept when they were shown, the earliest shown first. */
  readonly #hashes = new Map<string, { readonly number: number; readonly atMs: number }>();
  #number = 0;
  /** Undefined when members came or went since. */
  #shown: Shown | undefined;

  get size(): number {
    return this.#members.size;
  }

  /** The member is kept, from now on or still. */
  keep({ service, member, why }: Omit<RetainedMember, 'sinceMs'>, nowMs: number): void {
    const known = this.#members.get(member);
    if (known?.service === service && known.why === why) return;
    const { number = ++this.#number, sinceMs = nowMs } = known ?? {};
    this.#members.set(member, { service, member, why, sinceMs, number });
    this.#shown = undefined;
  }

  /** The member is not kept any more, whyever. */
  letGo(member: string): void {
    if (this.#members.delete(member)) this.#shown = undefined;
  }

  /** All of them with their hash, under which they can be released for an hour; undefined when there are none. */
  show(nowMs: number): Shown | undefined {
    if (this.#members.size === 0) return undefined;
    const shown = (this.#shown ??= this.#all());
    this.#hashes.delete(shown.hash);
    this.#hashes.set(shown.hash, { number: this.#number, atMs: nowMs });
    for (const [hash, { atMs }] of this.#hashes) {
      if (this.#hashes.size <= MOST_HASHES && nowMs - atMs < HASH_LASTS_MS) break;
      this.#hashes.delete(hash);
    }
    return shown;
  }

  /** Lets go what was shown under that hash. */
  release(hash: string, nowMs: number): Released {
    if ((this.#shown ?? (this.size > 0 ? this.#all() : undefined))?.hash === hash) this.show(nowMs);
    const shown = this.#hashes.get(hash);
    if (!shown || nowMs - shown.atMs >= HASH_LASTS_MS) return { isKnown: false };
    const members = [...this.#members.values()].filter(({ number }) => number <= shown.number);
    for (const { member } of members) this.letGo(member);
    return { isKnown: true, members, staying: this.size };
  }

  #all(): Shown {
    const members = [...this.#members.values()].sort((a, b) => (a.member < b.member ? -1 : 1));
    const names = JSON.stringify(members.map(({ member }) => member));
    return { hash: createHash('sha256').update(names).digest('hex').slice(0, HASH_LENGTH), members };
  }
}

import { isReadableName } from './readable-name.ts';
import type { KnownService } from './service-reader.ts';

/** A blocking query of a service's own, which rests while it is paused. */
export interface Following {
  readonly stop: AbortController;
  paused: boolean;
}

/** A service as the catalog knows it. */
export interface Known extends KnownService {
  /** Consul lists the name. */
  listed: boolean;
  /** When Consul was last asked, the service had instances that are worth reading. */
  candidate: boolean;
  following?: Following;
}

/** What a list of all names changes. */
export interface NameChanges {
  readonly added: readonly string[];
  /** Names that were listed before, of those that matter. */
  readonly gone: readonly string[];
  /**
   * Names that were not listed before either, and of which instances are known: they came, were read and went between two
   * lists, perhaps. Each list says it again, until such a name is read as gone.
   */
  readonly doubtful: readonly string[];
}

/** Its own blocking query wakes when it changes. */
export function isWatched({ following }: Known): boolean {
  return following !== undefined && !following.paused;
}

/**
 * All services that Consul or anybody here ever named, by lower-case name: Consul's look-ups ignore case, so several
 * spellings are one service. There are only so many names.
 */
export class KnownServices {
  readonly #isOfInterest: (name: string) => boolean;
  readonly #services = new Map<string, Known>();
  /** Those of them that Consul does not list: they are few, and each list has something to say of them. */
  readonly #unlisted = new Map<string, Known>();
  /** Those that have instances worth reading. */
  readonly #candidates = new Map<string, Known>();
  readonly #wanted = new Set<string>();
  /** All names of the last list, of interest or not, with the spelling that stands for each. */
  #spellings: ReadonlyMap<string, string> = new Map();
  /** The last list, and what of it is of interest or wanted; undefined when that may be something else by now. */
  #last: readonly string[] = [];
  #listed: ReadonlyMap<string, string> | undefined;

  /** @param isOfInterest which lower-case names are worth reading at all; others only when somebody wants them */
  constructor(isOfInterest: (name: string) => boolean) {
    this.#isOfInterest = isOfInterest;
  }

  get(name: string): Known | undefined {
    return this.#services.get(name);
  }

  ensure(name: string): Known {
    let known = this.#services.get(name);
    if (known) return known;
    this.#services.set(name, (known = unread(name)));
    this.#unlisted.set(name, known);
    return known;
  }

  /** From now on it is one of those that are read, whatever its name. Its instances are unknown at first. */
  want(name: string): void {
    if (this.#wanted.has(name)) return;
    // What was read once, while nobody followed it, is out of date.
    if (!this.#isOfInterest(name)) this.forget(name);
    this.#wanted.add(name);
    this.#listed = undefined;
    const spelling = this.#spellings.get(name);
    if (spelling === undefined) return;
    const known = this.ensure(name);
    this.#list(name, known, spelling);
    this.#setCandidate(name, known, true);
  }

  /** Unless its name is of interest, the service is not read any more, and forgotten. */
  unwant(name: string): void {
    if (!this.#wanted.delete(name) || this.#isOfInterest(name)) return;
    this.forget(name);
    this.#listed = undefined;
  }

  /** Consul may be another, or older: the indexes of before mean nothing, and whatever is read next is news. */
  forgetIndexes(): void {
    for (const known of this.#services.values()) known.index = 0;
  }

  /** Names that Consul lists and that have instances worth reading. */
  candidates(): string[] {
    return [...this.#candidates].filter(([, { listed }]) => listed).map(([name]) => name);
  }

  /** Everything that Consul lists, and that anybody can ask for, is watched: there is nothing left to look for. */
  areAllWatched(): boolean {
    // Few are watched at a time: one that is not is found soon.
    for (const name of this.#listed?.keys() ?? this.#services.keys()) {
      const known = this.#services.get(name);
      if (known?.listed && !isWatched(known) && isReadableName(name)) return false;
    }
    return true;
  }

  /** The same of what has instances worth reading. */
  areCandidatesWatched(): boolean {
    for (const [name, known] of this.#candidates)
      if (known.listed && !isWatched(known) && isReadableName(name)) return false;
    return true;
  }

  /** What to read as long as nobody asks again which names are worth it: the candidates that were read before, but for the watched. */
  dueAsBefore(): Set<string> {
    const due = new Set<string>();
    for (const [name, known] of this.#candidates)
      if (known.listed && known.instances && !isWatched(known)) due.add(name);
    return due;
  }

  /** Names that are of no interest any more, and that nobody wants. */
  excluded(): string[] {
    return [...this.#services.keys()].filter((name) => !this.#wanted.has(name) && !this.#isOfInterest(name));
  }

  /** What was known of it is out of date when it is of interest again. */
  forget(name: string): void {
    for (const names of [this.#services, this.#unlisted, this.#candidates]) names.delete(name);
  }

  /** The same list with other names of interest. */
  takeNamesAgain(): NameChanges {
    this.#listed = undefined;
    return this.takeNames([...this.#spellings.values()]);
  }

  /** Takes in the list of all names; tells what it changes. */
  takeNames(spellings: readonly string[]): NameChanges {
    // Most of the time it says the same again, and there may be ten thousand names.
    const before = this.#listed;
    const isSame = before !== undefined && areEqual(this.#last, spellings);
    if (!isSame) this.#spellings = bySpelling(spellings);
    const listed = isSame ? before : this.#readOf(this.#spellings, before);
    const doubtful: string[] = [];
    for (const [name, { instances = [] }] of this.#unlisted)
      if (instances.length > 0 && !listed.has(name)) doubtful.push(name);
    const added = isSame ? [] : this.#takeListed(listed);
    const gone = isSame ? [] : this.#takeGone(before?.keys() ?? this.#services.keys(), listed);
    this.#last = spellings;
    this.#listed = listed;
    for (const [name, known] of this.#unlisted) {
      this.#setCandidate(name, known, false);
      // It need not move with that: what is read next is news in any case.
      known.index = 0;
    }
    return { added, gone, doubtful };
  }

  /** @returns those that were not listed before */
  #takeListed(listed: ReadonlyMap<string, string>): string[] {
    const added: string[] = [];
    for (const [name, spelling] of listed) {
      const known = this.ensure(name);
      if (known.listed) {
        known.spelling = spelling;
        continue;
      }
      this.#list(name, known, spelling);
      // Perhaps without instances worth reading: the next list of candidates tells.
      this.#setCandidate(name, known, true);
      added.push(name);
    }
    return added;
  }

  /** @returns those of these names that were listed before and are not, as far as they matter */
  #takeGone(names: Iterable<string>, listed: ReadonlyMap<string, string>): string[] {
    const gone: string[] = [];
    for (const name of names) {
      const known = this.#services.get(name);
      if (!known?.listed || listed.has(name)) continue;
      if (known.candidate || known.following !== undefined || (known.instances?.length ?? 0) > 0) gone.push(name);
      known.listed = false;
      this.#unlisted.set(name, known);
    }
    return gone;
  }

  #list(name: string, known: Known, spelling: string): void {
    Object.assign(known, { spelling, listed: true });
    this.#unlisted.delete(name);
  }

  #setCandidate(name: string, known: Known, candidate: boolean): void {
    known.candidate = candidate;
    if (candidate) this.#candidates.set(name, known);
    else this.#candidates.delete(name);
  }

  /**
   * Takes in the list of names with instances worth reading; returns what to read: these, but for the watched, and of
   * those that are no longer on the list what was read before.
   */
  takeCandidates(spellings: readonly string[]): Set<string> {
    const candidates = this.#readOf(bySpelling(spellings));
    const due = new Set<string>();
    for (const [name, known] of this.#candidates) {
      if (candidates.has(name)) continue;
      this.#setCandidate(name, known, false);
      if (known.instances) due.add(name);
    }
    for (const name of candidates.keys()) {
      const known = this.ensure(name);
      this.#setCandidate(name, known, true);
      if (!isWatched(known)) due.add(name);
    }
    return due;
  }

  /** @param before names of which it is known already that they are of interest or wanted */
  #readOf(names: ReadonlyMap<string, string>, before?: ReadonlyMap<string, string>): Map<string, string> {
    const read = new Map<string, string>();
    for (const [name, spelling] of names)
      if (before?.has(name) || this.#wanted.has(name) || this.#isOfInterest(name)) read.set(name, spelling);
    return read;
  }
}

function unread(name: string): Known {
  return { spelling: name, listed: false, candidate: false, index: 0, isComplete: false };
}

function areEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

/** Lower-case names; of several spellings the first in order stands for all. */
function bySpelling(spellings: readonly string[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const spelling of spellings) {
    const name = spelling.toLowerCase();
    const other = names.get(name);
    if (other === undefined || spelling < other) names.set(name, spelling);
  }
  return names;
}

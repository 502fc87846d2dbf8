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
    if (!known) this.#services.set(name, (known = unread(name)));
    return known;
  }

  /** From now on it is one of those that are read, whatever its name. Its instances are unknown at first. */
  want(name: string): void {
    if (this.#wanted.has(name)) return;
    // What was read once, while nobody followed it, is out of date.
    if (!this.#isOfInterest(name)) this.#services.delete(name);
    this.#wanted.add(name);
    this.#listed = undefined;
    const spelling = this.#spellings.get(name);
    if (spelling !== undefined) Object.assign(this.ensure(name), { spelling, listed: true, candidate: true });
  }

  /** Unless its name is of interest, the service is not read any more, and forgotten. */
  unwant(name: string): void {
    if (!this.#wanted.delete(name) || this.#isOfInterest(name)) return;
    this.#services.delete(name);
    this.#listed = undefined;
  }

  /** Consul may be another, or older: the indexes of before mean nothing, and whatever is read next is news. */
  forgetIndexes(): void {
    for (const known of this.#services.values()) known.index = 0;
  }

  /** Names that Consul lists and that have instances worth reading. */
  candidates(): string[] {
    return [...this.#services].filter(([, { listed, candidate }]) => listed && candidate).map(([name]) => name);
  }

  /** Everything that Consul lists, and that anybody can ask for, is watched: there is nothing left to look for. */
  areAllWatched(): boolean {
    for (const [name, known] of this.#services)
      if (known.listed && !isWatched(known) && isReadableName(name)) return false;
    return true;
  }

  /** What to read as long as nobody asks again which names are worth it: the candidates that were read before, but for the watched. */
  dueAsBefore(): Set<string> {
    const due = new Set<string>();
    for (const [name, known] of this.#services)
      if (known.listed && known.candidate && known.instances && !isWatched(known)) due.add(name);
    return due;
  }

  /** Names with an instance on one of these nodes. */
  onNodes(nodes: ReadonlySet<string>): string[] {
    if (nodes.size === 0) return [];
    const names: string[] = [];
    for (const [name, { instances }] of this.#services)
      if (instances?.some(({ node }) => nodes.has(node))) names.push(name);
    return names;
  }

  /** Names that are of no interest any more, and that nobody wants. */
  excluded(): string[] {
    return [...this.#services.keys()].filter((name) => !this.#wanted.has(name) && !this.#isOfInterest(name));
  }

  /** What was known of it is out of date when it is of interest again. */
  forget(name: string): void {
    this.#services.delete(name);
  }

  /** The same list with other names of interest. */
  takeNamesAgain(): NameChanges {
    this.#listed = undefined;
    return this.takeNames([...this.#spellings.values()]);
  }

  /** Takes in the list of all names; tells what it changes. */
  takeNames(spellings: readonly string[]): NameChanges {
    // Most of the time it says the same again, and there may be ten thousand names.
    const isSame = this.#listed !== undefined && areEqual(this.#last, spellings);
    if (!isSame) this.#spellings = bySpelling(spellings);
    const listed = isSame && this.#listed ? this.#listed : this.#readOf(this.#spellings);
    const added = isSame ? [] : this.#takeListed(listed);
    this.#last = spellings;
    this.#listed = listed;
    const gone: string[] = [];
    const doubtful: string[] = [];
    for (const [name, known] of this.#services) {
      if (listed.has(name)) continue;
      const hasInstances = (known.instances?.length ?? 0) > 0;
      if (known.listed && (known.candidate || known.following !== undefined || hasInstances)) gone.push(name);
      else if (hasInstances) doubtful.push(name);
      // Its index need not move with that: what is read next is news in any case.
      Object.assign(known, { listed: false, candidate: false, index: 0 });
    }
    return { added, gone, doubtful };
  }

  /** @returns those that were not listed before */
  #takeListed(listed: ReadonlyMap<string, string>): string[] {
    const added: string[] = [];
    for (const [name, spelling] of listed) {
      const known = this.ensure(name);
      // Perhaps without instances worth reading: the next list of candidates tells.
      if (!known.listed) known.candidate = true;
      if (!known.listed) added.push(name);
      Object.assign(known, { spelling, listed: true });
    }
    return added;
  }

  /**
   * Takes in the list of names with instances worth reading; returns what to read: these, but for the watched, and of
   * those that are no longer on the list what was read before.
   */
  takeCandidates(spellings: readonly string[]): Set<string> {
    const candidates = this.#readOf(bySpelling(spellings));
    const due = new Set<string>();
    for (const [name, known] of this.#services) {
      if (!known.candidate || candidates.has(name)) continue;
      known.candidate = false;
      if (known.instances) due.add(name);
    }
    for (const name of candidates.keys()) {
      const known = this.ensure(name);
      known.candidate = true;
      if (!isWatched(known)) due.add(name);
    }
    return due;
  }

  #readOf(names: ReadonlyMap<string, string>): Map<string, string> {
    return new Map([...names].filter(([name]) => this.#wanted.has(name) || this.#isOfInterest(name)));
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
  const inReverse = [...spellings].sort().reverse();
  return new Map(inReverse.map((spelling) => [spelling.toLowerCase(), spelling]));
}

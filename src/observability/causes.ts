import type { Clock } from '../clock.ts';

/** What keeps the process from being ready, of one source: words of Consular's own and of its configuration. */
export interface Judgement {
  readonly source: string;
  /** One sentence each; none while the source is well. */
  readonly failures: readonly string[];
}

/** What fails, and why, in one sentence: without the name where the reason begins with the same words. */
export function because(what: string, why: string): string {
  return why.startsWith(`${what}: `) ? why : `${what}: ${why}`;
}

/**
 * Sentences as `because` makes them, one for each cause: what fails for the same cause is named before it. Of
 * `read a: no answer: reset` and `read b: no answer: reset` that is `read a, read b: no answer: reset`.
 * @param mostNamed as many are named before one cause, of more their number is said
 */
export function byCause(failures: Iterable<string>, mostNamed = Infinity): string[] {
  return groups(failures).map((alike) => lineOf(alike, mostNamed));
}

/** Those that end in the same part, the first come first. */
function groups(failures: Iterable<string>): (readonly string[])[] {
  const byLast = new Map<string, string[]>();
  for (const failure of failures) {
    const last = failure.split(': ').at(-1) ?? '';
    byLast.set(last, [...(byLast.get(last) ?? []), failure]);
  }
  return [...byLast.values()];
}

function lineOf(alike: readonly string[], mostNamed = Infinity): string {
  const all = alike.map((failure) => failure.split(': '));
  const common = commonEnd(all);
  const heads = all.map((parts) => parts.slice(0, parts.length - common).join(': ')).filter((head) => head !== '');
  const cause = all[0]?.slice(-common).join(': ') ?? '';
  const names = [...new Set(heads)];
  if (names.length === 0) return cause;
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '';
  return `${names.slice(0, mostNamed).join(', ')}${more}: ${cause}`;
}

/** How many of the last parts all of them have in common, without the first of each, which names it; at least one. */
function commonEnd(all: readonly (readonly string[])[]): number {
  const [first = [], ...others] = all;
  const most = Math.max(1, Math.min(...all.map(({ length }) => length)) - 1);
  let common = 1;
  while (common < most && others.every((parts) => parts.at(-1 - common) === first.at(-1 - common))) common++;
  return common;
}

/** Since when what fails has failed. */
export class FailingSince {
  readonly #clock: Pick<Clock, 'date'>;
  /** By what fails: what a sentence begins with. */
  #since = new Map<string, Date>();

  constructor(clock: Pick<Clock, 'date'>) {
    this.#clock = clock;
  }

  /**
   * To be called often: since when something fails is not known better than that.
   * @param failures all there are now, as `because` makes them
   * @returns one sentence for each cause, with since when the first of them fails
   */
  note(failures: readonly string[]): string[] {
    const now = this.#clock.date();
    const since = new Map(failures.map((failure) => [nameOf(failure), this.#since.get(nameOf(failure)) ?? now]));
    this.#since = since;
    return groups(failures).map((alike) => {
      const times = alike.map((failure) => (since.get(nameOf(failure)) ?? now).getTime());
      return `${lineOf(alike)} (since ${new Date(Math.min(...times)).toISOString().slice(0, 19)}Z)`;
    });
  }
}

function nameOf(failure: string): string {
  return failure.split(': ', 1)[0] ?? '';
}

/**
 * Asks whether the API server takes an object with these endpoints and no others, and writes nothing.
 * @returns why it refuses the object; undefined when it takes it
 */
export type Ask<T> = (parts: readonly T[]) => Promise<string | undefined>;

export interface Parts<T> {
  /** Those that the object has and is to keep. */
  readonly kept: readonly T[];
  /** Those that come, and that were not asked about alone yet. */
  readonly added: readonly T[];
  /** Those that come again after they were refused alone: a list for each reason, with those first that were asked longest ago. */
  readonly again: readonly (readonly T[])[];
  /** How many others the object has, which are to leave it. */
  readonly left: number;
}

export interface Taken<T> {
  /** What can be written; the others are refused, or there was no question left for them. */
  readonly taken: readonly T[];
  /** Those that were refused alone, with the words of the API server. */
  readonly answers: ReadonlyMap<T, string>;
}

/** About one write. Every question is a whole object, for every policy and webhook to look at. */
export const MOST_QUESTIONS = 64;
/** So many that are refused alone stand for the others. */
const SAMPLE = 4;

/**
 * What can be written of an object that the API server refuses as it should be:
 *
 * | without any endpoint it is | with those that it has and is to keep | can be written                                   |
 * |----------------------------|---------------------------------------|--------------------------------------------------|
 * | refused                    |                                       | nothing: no endpoint is the reason               |
 * | taken                      | taken                                 | these, and what is taken of those that come      |
 * | taken                      | refused, no more of them than leave   | what is taken of all, if anything                |
 * | taken                      | refused, more of them than leave      | nothing: live ones would go for fewer that left  |
 *
 * As many live ones go as left: what left fails its callers, and what is live has others beside it. None goes unasked.
 * @returns undefined when nothing can be written
 */
export async function takenOf<T>({ kept, added, again, left }: Parts<T>, ask: Ask<T>): Promise<Taken<T> | undefined> {
  const inquiry = new Inquiry(ask);
  if (!(await inquiry.takes([]))) return undefined;
  if (kept.length > 0 && !(await inquiry.takes(kept)) && !(await inquiry.costsAtMost(left, kept))) return undefined;
  await inquiry.divideMany(added);
  for (const group of again)
    if (await inquiry.takesAny(group.slice(0, SAMPLE))) await inquiry.divideMany(inquiry.openOf(group));
  const taken = [...kept, ...added, ...again.flat()].filter((part) => inquiry.taken.has(part));
  return taken.length === 0 && kept.length > 0 ? undefined : { taken, answers: inquiry.answers };
}

/** The questions about one write, and what is known by their answers. */
class Inquiry<T> {
  readonly taken = new Set<T>();
  readonly answers = new Map<T, string>();
  readonly #ask: Ask<T>;
  #asked = 0;
  /** When so many are refused alone, there is no need to know more. */
  #enough = Infinity;

  constructor(ask: Ask<T>) {
    this.#ask = ask;
  }

  /** Whether they are taken beside those that are taken already; false too when there is no question left. */
  async takes(parts: readonly T[]): Promise<boolean> {
    if (this.#asked >= MOST_QUESTIONS || this.answers.size >= this.#enough) return false;
    this.#asked++;
    const why = await this.#ask([...this.taken, ...parts]);
    const [first, ...more] = parts;
    if (why === undefined) for (const part of parts) this.taken.add(part);
    else if (first !== undefined && more.length === 0) this.answers.set(first, why);
    return why === undefined;
  }

  /** Those of which nothing is known. */
  openOf(parts: readonly T[]): T[] {
    return parts.filter((part) => !this.taken.has(part) && !this.answers.has(part));
  }

  /** Finds those that are taken by halving: one that is refused costs about twice the logarithm of their number in questions. */
  async divide(parts: readonly T[]): Promise<void> {
    if (parts.length === 0 || (await this.takes(parts)) || parts.length === 1) return;
    const middle = Math.ceil(parts.length / 2);
    await this.divide(parts.slice(0, middle));
    await this.divide(parts.slice(middle));
  }

  /** The same, but for many of which nothing is taken, neither half nor some that are asked alone: they count as refused. */
  async divideMany(parts: readonly T[]): Promise<void> {
    if (parts.length <= 2 * SAMPLE) return this.divide(parts);
    if (await this.takes(parts)) return;
    const middle = Math.ceil(parts.length / 2);
    const halves = [parts.slice(0, middle), parts.slice(middle)];
    const refused: T[][] = [];
    for (const half of halves) if (!(await this.takes(half))) refused.push(half);
    if (refused.length === halves.length && !(await this.takesAny(spread(parts)))) return;
    for (const half of refused) await this.divide(this.openOf(half));
  }

  /** Whether one of them is taken; those after it are not asked. */
  async takesAny(parts: readonly T[]): Promise<boolean> {
    for (const part of parts) if (await this.takes([part])) return true;
    return false;
  }

  /** Whether no more than so many of them are refused, of which each is known then. */
  async costsAtMost(most: number, parts: readonly T[]): Promise<boolean> {
    if (most === 0) return false;
    this.#enough = most + 1;
    await this.divide(parts);
    this.#enough = Infinity;
    return this.answers.size <= most && this.openOf(parts).length === 0;
  }
}

/** Some from all over a list. */
function spread<T>(parts: readonly T[]): T[] {
  return Array.from({ length: SAMPLE }, (_, i) => parts.slice(Math.floor((i * parts.length) / SAMPLE))).flatMap(
    ([first]) => (first === undefined ? [] : [first]),
  );
}

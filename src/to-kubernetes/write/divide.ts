/**
 * Finds by halving which of some endpoints the API server takes in one object, where it refused all of them together. One
 * that is refused costs about twice the logarithm of their number in questions.
 * @param certain those that it takes, which are in each question
 * @param accepts asks, and writes nothing
 * @returns the certain ones, and those of the others that it takes beside these
 */
async function divide<T>(
  certain: readonly T[],
  others: readonly T[],
  accepts: (parts: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  if (others.length === 0) return certain;
  if (await accepts([...certain, ...others])) return [...certain, ...others];
  if (others.length === 1) return certain;
  const middle = Math.ceil(others.length / 2);
  const first = await divide(certain, others.slice(0, middle), accepts);
  return divide(first, others.slice(middle), accepts);
}

export interface Parts<T> {
  /** Those that the object has and is to keep. */
  readonly kept: readonly T[];
  readonly added: readonly T[];
  /** True when the object has others, which are to leave it. */
  readonly isLeft: boolean;
}

/**
 * What can be written of an object that the API server refuses as it should be:
 *
 * | without any endpoint it is | with those that it has and is to keep | what leaves it | can be written                     |
 * |----------------------------|---------------------------------------|----------------|------------------------------------|
 * | refused                    |                                       |                | nothing: no endpoint is the reason |
 * | taken                      | taken                                 |                | these, and the new ones one by one |
 * | taken                      | refused                               | something      | those of all that are taken, if any |
 * | taken                      | refused                               | nothing        | nothing: what is there goes on     |
 *
 * @returns undefined when nothing can be
 */
export async function takenOf<T>(
  { kept, added, isLeft }: Parts<T>,
  accepts: (parts: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  if (!(await accepts([]))) return undefined;
  if (kept.length === 0 || (await accepts(kept))) return divide(kept, added, accepts);
  if (!isLeft) return undefined;
  const rest = await divide([], kept, accepts);
  const taken = await divide(rest, added, accepts);
  return taken.length === 0 ? undefined : taken;
}

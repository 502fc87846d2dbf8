/**
 * The word that somebody most likely meant: of the known ones the nearest that is at most a third of the word's letters away,
 * where one letter too many, one too few, another one or two that changed places are one step each. Case does not count.
 * Undefined when none is near.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  if (wanted.length > LONGEST) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    // No use counting steps where the lengths alone are too far apart.
    if (Math.abs(candidate.length - wanted.length) >= least) continue;
    const steps = stepsBetween(wanted, candidate.toLowerCase());
    if (steps < least) [best, least] = [candidate, steps];
  }
  return best;
}

/** No name that is known here is nearly as long, and the time goes with the square. */
const LONGEST = 128;

/** Damerau and Levenshtein's distance, in which no letters that changed places are changed again. */
function stepsBetween(a: string, b: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const steps = [
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (isSame ? 0 : 1),
        ...(i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? [(beforeLast[j - 2] ?? 0) + 1] : []),
      ];
      row.push(Math.min(...steps));
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? 0;
}

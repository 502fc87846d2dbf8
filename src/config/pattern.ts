/**
 * Name patterns of settings: `*` stands for any run of characters, everything else for itself. Matching is linear in
 * the value for each star, with no backtracking beyond the last star, and no pattern ever becomes a RegExp.
 */
export function matchesPattern(pattern: string, value: string): boolean {
  let p = 0;
  let v = 0;
  let star = -1;
  let resume = 0;
  while (v < value.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = v;
    } else if (pattern[p] === value[v]) {
      p++;
      v++;
    } else if (star >= 0) {
      p = star + 1;
      v = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

export function matchesAny(patterns: readonly string[], value: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, value));
}

export interface Patterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** True when some include pattern matches and no exclude pattern does. */
export function selects(patterns: Patterns, value: string): boolean {
  return matchesAny(patterns.include, value) && !matchesAny(patterns.exclude, value);
}

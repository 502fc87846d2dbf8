/** A version of Semantic Versioning without a suffix, like `0.2.0`. */
export type Version = readonly [major: number, minor: number, patch: number];

const FORM = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/;

/** @throws Error for anything else, `v0.2.0` too */
export function parseVersion(text: string): Version {
  const [, major, minor, patch] = FORM.exec(text) ?? [];
  if (major === undefined || minor === undefined || patch === undefined)
    throw new Error(`read the version: expected one like 0.2.0, found ${JSON.stringify(text)}`);
  return [Number(major), Number(minor), Number(patch)];
}

export function isLower(one: string, other: string): boolean {
  const [a, b] = [parseVersion(one), parseVersion(other)];
  const first = a.findIndex((number, i) => number !== b[i]);
  return first !== -1 && (a[first] ?? 0) < (b[first] ?? 0);
}

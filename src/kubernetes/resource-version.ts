/**
 * Resource versions of one kind are decimal numbers of any length (KEP-5504): of two without leading zeros the longer is
 * the larger.
 */
export function isNewer(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

/**
 * Whether the API server has lost what we know: etcd was put back to an older state.
 *
 * | a consistent read has                                | time      |
 * |------------------------------------------------------|-----------|
 * | a lower version than an event or list that we saw    | went back |
 * | the same version, or a higher one                    | went on   |
 * | a version that is no number, or ours is none         | went on: that says nothing |
 *
 * A watch from a version of the future does not tell it: the API server answers 200 and is silent until it gets there.
 */
export function wentBack(known: string, found: string): boolean {
  return isNumber(known) && isNumber(found) && isNewer(known, found);
}

function isNumber(version: string): boolean {
  return /^(0|[1-9]\d*)$/.test(version);
}

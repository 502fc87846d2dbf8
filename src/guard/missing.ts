/**
 * Whether what is missing from an answer went by itself, one after another, as when applications on machines are stopped: a
 * single one, or no more than half of what the service had. More than that at once is what a lost catalog looks like.
 * @param missing how many members the answer does not have that the answer before had
 * @param had how many the answer before had
 */
export function wentOneByOne(missing: number, had: number): boolean {
  return missing <= Math.max(1, had / 2);
}

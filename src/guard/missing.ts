/** So many may stop of themselves between two answers, which are up to a second apart. */
const SOME = 5;

/**
 * Whether what is missing from an answer went by itself, one after another, as when applications on machines are stopped:
 *
 * | missing of a service                            | went by itself |
 * |-------------------------------------------------|----------------|
 * | one                                             | yes            |
 * | at most 5, and no more than half of what it had | yes            |
 * | at most a tenth of what it had                  | yes            |
 * | more                                            | no             |
 *
 * Never just half: a catalog that is emptied by transactions of 64 operations loses a service in several answers.
 * @param missing how many members the answer does not have that the answer before had
 * @param had how many the answer before had
 */
export function wentOneByOne(missing: number, had: number): boolean {
  return missing <= Math.max(1, Math.min(SOME, had / 2), had / 10);
}

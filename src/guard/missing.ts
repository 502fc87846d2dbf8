/** So many may stop of themselves between two answers, which are a second apart, or 30 s where a service is only swept. */
const SOME = 5;

/**
 * Whether what is missing from an answer left its service by itself, one after another, as when applications on machines are
 * stopped:
 *
 * | missing of a service                            | went by itself |
 * |-------------------------------------------------|----------------|
 * | one                                             | yes            |
 * | at most 5, and no more than half of what it had | yes            |
 * | at most a tenth of what it had                  | yes            |
 * | more                                            | no             |
 *
 * More than half never did: a catalog that is emptied by transactions of 64 operations loses a service in several answers.
 *
 * One answer says this of one service, and nothing of all: a Consul that lost everything shows of a service of one as a service
 * whose only instance was stopped. So of the whole direction these are losses like all others. Where a service is more than half
 * of everything that is there, machines that are stopped within a minute may pass for such a Consul: who retains those that
 * went then has stale ones until the second answer, 30 s long.
 * @param missing how many members the answer does not have that the answer before had
 * @param had how many the answer before had
 */
export function wentOneByOne(missing: number, had: number): boolean {
  return missing <= Math.max(1, Math.min(SOME, had / 2), had / 10);
}

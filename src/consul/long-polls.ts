/**
 * How many long polls there may be at a time. Each is a connection; Consul allows 200 for one client address
 * (`http_max_conns_per_client`), which other programs on the machine share, and it keeps those of a process that died for
 * another half minute. So all of them are fewer than 60: a daemon that is started again, and once more, finds room.
 */
export const MOST_LONG_POLLS = {
  /** Service names, critical and warning checks, which both directions share; our nodes, Consular's own entry and its fence. */
  lists: 6,
  /** Of services for whose foreign instances a pod waits. */
  duplicates: 10,
  /** Of services that are mirrored or taken in; those beyond are found by sweeps. */
  followed: 40,
} as const;

import type { LeaseRecord } from '../kubernetes/lease.ts';

/** The rules of client-go's leader election (k8s.io/client-go/tools/leaderelection); every time here is a monotonic clock's. */
export interface ElectionTimes {
  /** How long others wait for a leader that does not renew the Lease. */
  readonly leaseMs: number;
  /** How long after it asked for its last renewal a leader may act; less than the above. */
  readonly renewMs: number;
  /** Between two looks at the Lease. */
  readonly retryMs: number;
}

/** client-go's own. */
export const ELECTION_TIMES: ElectionTimes = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2000 };

/** What of a Lease decides. */
export type SeenLease = LeaseRecord & { readonly uid: string };

/** What the Lease says, undefined where there is none, and since when it is known to say so. */
export interface Sighting {
  readonly lease: SeenLease | undefined;
  readonly sinceMs: number;
  /** Where there is none: the last one that there was. Its holder may not know that it is gone. */
  readonly last?: { readonly lease: SeenLease; readonly sinceMs: number } | undefined;
}

/** Our time as the holder. */
export interface Term {
  /** Of the Lease. */
  readonly uid: string;
  readonly transitions: number;
  /** When we began to ask for the last write of the Lease that went well. */
  readonly renewedMs: number;
}

export type Step =
  /** There is no Lease. */
  | { readonly kind: 'create'; readonly transitions: number }
  /** The Lease is free. */
  | { readonly kind: 'acquire'; readonly transitions: number }
  | { readonly kind: 'renew' }
  /** Somebody else has the Lease, and if nobody renews it, for so long. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** It was ours. */
  | { readonly kind: 'lost'; readonly why: string };

/**
 * What others wrote is timed from when it was seen first, never by the times in it: clocks differ. Each change of the record
 * is a sign of life; one of labels or annotations is none.
 */
export function see(before: Sighting | undefined, lease: SeenLease | undefined, nowMs: number): Sighting {
  if (before && isSameRecord(before.lease, lease)) return { ...before, lease };
  const last = !lease && before?.lease ? { lease: before.lease, sinceMs: before.sinceMs } : undefined;
  return { lease, sinceMs: nowMs, last };
}

/** Whoever holds the Lease and has shown a sign of life for as long as its record promises. */
export function liveHolder(sighting: Sighting, nowMs: number, times: ElectionTimes): string | undefined {
  const untilMs = liveUntilMs(sighting, times);
  return untilMs !== undefined && nowMs < untilMs
    ? (sighting.lease ?? sighting.last?.lease)?.holderIdentity
    : undefined;
}

/** Until when the holder counts as alive if it shows no other sign of life; undefined where nobody holds the Lease. */
function liveUntilMs(sighting: Sighting, times: ElectionTimes): number | undefined {
  const { lease, sinceMs } = sighting.lease
    ? { lease: sighting.lease, sinceMs: sighting.sinceMs }
    : (sighting.last ?? {});
  if (!lease || sinceMs === undefined || lease.holderIdentity === '') return undefined;
  return sinceMs + promisedMs(lease, times);
}

/** Whether a holder may act. The others count from the moment when they saw its renewal, which is later than when it began. */
export function isInTime({ renewedMs }: Term, nowMs: number, { renewMs }: ElectionTimes): boolean {
  return nowMs < renewedMs + renewMs;
}

/**
 * What is to be done about the Lease.
 *
 * | it was not ours yet                       | then                                                          |
 * |-------------------------------------------|---------------------------------------------------------------|
 * | there is none                             | create                                                        |
 * | ... and another was seen who held it      | wait, as if it were there: that one may not know that it is gone |
 * | it names nobody                           | acquire, one transition more                                  |
 * | it names us                               | acquire with its transitions: a write of ours came late        |
 * | it names another, who shows signs of life | wait                                                          |
 * | ... and shows none any more               | acquire, one transition more                                  |
 *
 * | it was ours                               | then                                                          |
 * |-------------------------------------------|---------------------------------------------------------------|
 * | it names us, with our transitions         | renew, however long ago the last renewal was                  |
 * | ... but it is another Lease               | renew while we may act: we made it anew. Else it is lost       |
 * | it names us, with other transitions       | lost: another held it in between                              |
 * | it names another, or nobody               | lost                                                          |
 * | there is none                             | create while we may act. Else lost: who knows who had it      |
 */
export function nextStep(
  sighting: Sighting,
  term: Term | undefined,
  identity: string,
  nowMs: number,
  times: ElectionTimes,
): Step {
  return term ? stepOfHolder(sighting, term, identity, nowMs, times) : stepOfOthers(sighting, identity, nowMs, times);
}

function stepOfOthers(sighting: Sighting, identity: string, nowMs: number, times: ElectionTimes): Step {
  const { lease } = sighting;
  if (lease?.holderIdentity === identity) return { kind: 'acquire', transitions: lease.leaseTransitions };
  const untilMs = liveUntilMs(sighting, times);
  const isOurs = (lease ?? sighting.last?.lease)?.holderIdentity === identity;
  if (untilMs !== undefined && nowMs < untilMs && !isOurs) return { kind: 'wait', untilMs };
  return lease ? { kind: 'acquire', transitions: lease.leaseTransitions + 1 } : { kind: 'create', transitions: 0 };
}

function stepOfHolder({ lease }: Sighting, term: Term, identity: string, nowMs: number, times: ElectionTimes): Step {
  const mayAct = isInTime(term, nowMs, times);
  if (!lease)
    return mayAct ? { kind: 'create', transitions: term.transitions } : lost('it was deleted while it was not renewed');
  if (lease.holderIdentity === '') return lost('it was released by somebody else');
  if (lease.holderIdentity !== identity) return lost(`${lease.holderIdentity} holds it`);
  if (lease.leaseTransitions !== term.transitions)
    return lost(`expected its transition ${term.transitions}, found ${lease.leaseTransitions}`);
  if (lease.uid !== term.uid && !mayAct) return lost('it was deleted and made anew');
  return { kind: 'renew' };
}

function lost(why: string): Step {
  return { kind: 'lost', why };
}

/** A record that does not say how long it counts, counts as long as ours. */
function promisedMs({ leaseDurationSeconds }: LeaseRecord, { leaseMs }: ElectionTimes): number {
  return leaseDurationSeconds > 0 ? leaseDurationSeconds * 1000 : leaseMs;
}

function isSameRecord(a: SeenLease | undefined, b: SeenLease | undefined): boolean {
  if (!a || !b) return a === b;
  return (
    a.uid === b.uid &&
    a.holderIdentity === b.holderIdentity &&
    a.leaseDurationSeconds === b.leaseDurationSeconds &&
    a.acquireTime === b.acquireTime &&
    a.renewTime === b.renewTime &&
    a.leaseTransitions === b.leaseTransitions
  );
}

import { findOwnPod } from '../../kubernetes/connection.ts';
import { createLeaseApi } from '../../kubernetes/lease.ts';
import { Election, type ElectionOptions } from '../../leadership/election.ts';
import type { LeaseMark } from '../../leadership/fence-record.ts';
import type { Tenure } from '../../leadership/leadership.ts';
import { leasePlace } from '../../leadership/lease-place.ts';
import type { Standing } from '../../leadership/standing.ts';
import type { Clients, Context } from '../../world/context.ts';

/** The election among the processes of this cluster; undefined where there is none. @throws ConfigError when it has no namespace */
export function createElection(
  { config, log, timings }: Context,
  { kubernetes, cluster }: Clients,
  given: Pick<
    ElectionOptions,
    'identity' | 'annotations' | 'mayAcquire' | 'onStanding' | 'onSeen' | 'mayTakeRequest' | 'onReleaseRequest'
  >,
): Election | undefined {
  const lease = leasePlace(config, findOwnPod(config.kubernetes));
  if (!lease) return undefined;
  return new Election({
    ...{ ...given, lease, log, cluster: config.cluster },
    api: createLeaseApi(kubernetes, lease, () => cluster.check()),
    ...(timings?.election ? { times: timings.election } : {}),
  });
}

/** Why somebody with that standing does not write. */
export function whyNotLeading(standing: Standing): string {
  switch (standing.kind) {
    case 'standby':
      return standing.leader === undefined ? 'no leader is seen' : `${standing.leader} leads`;
    case 'suspended':
      return 'the Lease could not be renewed in time';
    case 'lost':
      return `the Lease is lost: ${standing.why}`;
    case 'ended':
      return 'the election has ended';
    case 'leading':
      return 'it has not begun to write';
  }
}

/** The right to write that an election gives. */
export function tenureOf(election: Election): Tenure {
  return {
    isLeading: () => election.isLeading(),
    get why() {
      return whyNotLeading(election.standing);
    },
  };
}

/** @throws Error when the Lease is not ours any more, or the API server does not say */
export async function leaseOf(election: Election): Promise<LeaseMark> {
  const isOurs = await election.confirm();
  const { standing } = election;
  if (standing.kind !== 'leading')
    throw new Error(`take the fence: expected to hold the Lease, found that ${whyNotLeading(standing)}`);
  if (!isOurs) throw new Error('take the fence: expected to hold the Lease, found that it was deleted');
  return { uid: standing.term.uid, transitions: standing.term.transitions };
}

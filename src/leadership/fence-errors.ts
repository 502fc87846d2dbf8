import type { Owner } from '../mark.ts';
import type { FenceRecord, LeaseMark } from './fence-record.ts';

/** Another process writes to Consul for this cluster: this one never does again. */
export class Displaced extends Error {
  readonly found: FenceRecord;

  constructor(key: string, found: FenceRecord) {
    const { epoch, holder } = found;
    super(`write to Consul: expected to hold key ${key}, found ${holder} as its holder, with epoch ${epoch}`);
    this.name = 'Displaced';
    this.found = found;
  }
}

/**
 * Another process writes to Consul for this cluster, and leads by another Lease than this one. So neither Lease keeps the two
 * apart: whoever took the fence back would lose it again, for ever.
 */
export class TwoInstallations extends Error {
  constructor(
    { cluster }: Pick<Owner, 'cluster'>,
    { holder, epoch }: FenceRecord,
    expected: LeaseMark,
    found: LeaseMark,
  ) {
    super(
      `write to Consul: expected to lead by the Lease with uid ${expected.uid} alone, found ${holder}, with epoch ${epoch}, ` +
        `which leads by the Lease with uid ${found.uid}: two installations of cluster ${cluster}. Give both the same ` +
        'leaderElection.namespace and leaderElection.name, or one of them another cluster name',
    );
    this.name = 'TwoInstallations';
  }
}

/** Undefined where both processes lead by one Lease, or one of them by none. @param own by which this process leads */
export function twoInstallations(
  owner: Pick<Owner, 'cluster'>,
  found: FenceRecord,
  own: LeaseMark | undefined,
): TwoInstallations | undefined {
  if (!own || !found.lease || found.lease.uid === own.uid) return undefined;
  return new TwoInstallations(owner, found, own, found.lease);
}

/** Waiting would not mend it. */
export class FenceOfAnotherCluster extends Error {
  constructor(key: string, { clusterUid }: FenceRecord, owner: Owner) {
    super(
      `take key ${key} in Consul: expected the uid ${owner.clusterUid} of this Kubernetes cluster in it, found ${clusterUid}. ` +
        `Another cluster is called ${owner.cluster} too: give this one another name (setting cluster), or, ` +
        'if the other is gone, run consular run --take-over once',
    );
    this.name = 'FenceOfAnotherCluster';
  }
}

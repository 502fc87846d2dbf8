import type { Owner } from '../mark.ts';
import type { FenceRecord } from './fence-record.ts';

/** Another process writes to Consul for this cluster: this one never does again. */
export class Displaced extends Error {
  constructor(key: string, { epoch, holder }: FenceRecord) {
    super(`write to Consul: expected to hold key ${key}, found ${holder} as its holder, with epoch ${epoch}`);
    this.name = 'Displaced';
  }
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

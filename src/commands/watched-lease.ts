import { hasStatus } from '../kubernetes/errors.ts';
import type { Lease, LeaseApi } from '../kubernetes/lease.ts';

/** A Lease, with what its reads and writes have shown. */
export interface WatchedLease {
  readonly api: LeaseApi;
  /** Whoever was seen to write the Lease while it was looked at: there is no point in waiting. */
  readonly leader: string | undefined;
  /** A right that is missing, or a namespace that is: waiting would not mend it. */
  readonly refusal: Error | undefined;
}

/**
 * @param identity ours
 * @param before the Lease as it was at the beginning
 */
export function watchedLease(api: LeaseApi, identity: string, before: Lease | undefined): WatchedLease {
  let leader: string | undefined;
  let refusal: Error | undefined;
  const told = async <T>(asked: Promise<T>): Promise<T> => {
    try {
      return await asked;
    } catch (error) {
      if (hasStatus(error, 403) || (hasStatus(error, 404) && error.purpose.verb === 'create')) refusal = error;
      throw error;
    }
  };
  return {
    get leader() {
      return leader;
    },
    get refusal() {
      return refusal;
    },
    api: {
      ...api,
      async read(signal) {
        const lease = await told(api.read(signal));
        const { holderIdentity = '' } = lease ?? {};
        const isRenewed = lease?.renewTime !== before?.renewTime || holderIdentity !== (before?.holderIdentity ?? '');
        if (holderIdentity !== '' && holderIdentity !== identity && isRenewed) leader = holderIdentity;
        return lease;
      },
      create: (content, signal) => told(api.create(content, signal)),
      replace: (observed, content, signal) => told(api.replace(observed, content, signal)),
    },
  };
}

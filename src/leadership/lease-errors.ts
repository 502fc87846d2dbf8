import { describeAccess } from '../kubernetes/access.ts';
import { describePurpose, hasStatus } from '../kubernetes/errors.ts';
import { leaseRight, type LeaseName } from '../kubernetes/lease.ts';

/** The Lease carries the mark of another installation. */
export class LeaseOfAnother extends Error {
  constructor({ namespace, name }: LeaseName, expected: string, found: string) {
    super(
      `get Lease ${namespace}/${name}: expected the Lease of the cluster ${expected}, found that of ${found}: ` +
        'give each a Lease of its own (setting leaderElection.name)',
    );
    this.name = 'LeaseOfAnother';
  }
}

/** Of a refusal the right that is missing, in the words of a rule; any other error as it is. */
export function namedRight(error: unknown, lease: LeaseName): unknown {
  if (!hasStatus(error, 403)) return error;
  const { purpose } = error;
  return new Error(
    `${describePurpose(purpose)}: expected the right to ${describeAccess(leaseRight(lease, purpose.verb))}, found none. ` +
      `Leader election needs get, watch and update on leases.coordination.k8s.io ${lease.name} in namespace ` +
      `${lease.namespace}, and create on leases.coordination.k8s.io there: see deploy/kubernetes`,
    { cause: error },
  );
}

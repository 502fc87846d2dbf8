import { ConfigError } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { OwnPod } from '../kubernetes/connection.ts';
import type { LeaseName } from '../kubernetes/lease.ts';

/**
 * The Lease that decides who leads; undefined where nobody is elected.
 *
 * | leaderElection.enabled | in a pod, with its service account | elsewhere                            |
 * |------------------------|------------------------------------|--------------------------------------|
 * | auto                   | an election                        | none                                 |
 * | true                   | an election                        | an election, in the namespace that is set |
 * | false                  | none                               | none                                 |
 *
 * @param pod that this process runs in, if it does
 * @throws ConfigError when there is to be an election, and nothing says in which namespace
 */
export function leasePlace(
  { cluster, leaderElection }: Pick<Config, 'cluster' | 'leaderElection'>,
  pod: OwnPod | undefined,
): LeaseName | undefined {
  const { enabled, namespace, name } = leaderElection;
  if (enabled === false || (enabled === 'auto' && !pod)) return undefined;
  const found = namespace || pod?.namespace;
  if (found) return { namespace: found, name: name || `consular-${cluster}` };
  throw new ConfigError('of the leader election', [
    'leaderElection.namespace: expected a namespace for the Lease, ' +
      (pod ? 'as the service account of this pod does not tell one' : 'as this is no pod with a namespace of its own') +
      ', found none',
  ]);
}

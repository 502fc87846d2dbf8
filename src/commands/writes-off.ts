import { readFileSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import type { ServiceAccount } from '../kubernetes/access.ts';
import type { KubernetesClient } from '../kubernetes/client.ts';
import { createLeaseApi } from '../kubernetes/lease.ts';
import { leasePlace } from '../leadership/lease-place.ts';
import { ANNOTATION } from '../mark.ts';
import { describeOff, readSwitch } from '../writes.ts';
import { switchIn } from './run/control-file.ts';

/** The Lease is a courtesy here: who may not read it, or gets no answer in time, is told the rest. */
export const LEASE_MS = 5000;

/**
 * Who says that writes are off, as far as can be seen from here, a sentence each: the file, the control file where it is here too,
 * and the Lease where it may be read.
 * @param account the daemon's, in whose namespace the Lease is where the configuration does not say it
 */
export async function writesOffBy(
  config: Config,
  client: KubernetesClient,
  { namespace }: Pick<ServiceAccount, 'namespace'>,
): Promise<string[]> {
  const inFile = config.controlFile === '' ? undefined : readSwitch(readControlFile(config.controlFile));
  const onLease = await lookAtLease(config, client, namespace);
  return [
    ...(config.writes === 'off' ? ['setting writes'] : []),
    ...(inFile === undefined ? [] : [`control file ${config.controlFile} ${inFile}`]),
    ...(onLease === undefined ? [] : [onLease]),
  ];
}

/** One sentence for people; nothing while writes are on. */
export function describeWritesOff(by: readonly string[]): string[] {
  return by.length === 0 ? [] : [`${describeOff({ by })}: run writes nothing of this until they are on`];
}

function readControlFile(path: string): string | undefined {
  try {
    return switchIn(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

async function lookAtLease(config: Config, client: KubernetesClient, namespace: string): Promise<string | undefined> {
  if (config.leaderElection.enabled === false) return undefined;
  const leaderElection = { ...config.leaderElection, enabled: true as const };
  const place = leasePlace({ cluster: config.cluster, leaderElection }, { namespace });
  if (!place) return undefined;
  try {
    const lease = await createLeaseApi(client, place).read(AbortSignal.timeout(LEASE_MS));
    const why = readSwitch(lease?.annotations.get(ANNOTATION.writes));
    return why && `annotation ${ANNOTATION.writes} on Lease ${place.namespace}/${place.name} ${why}`;
  } catch {
    return undefined;
  }
}

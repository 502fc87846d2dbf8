import { inBackground } from '../background.ts';
import { Absence } from '../consul/absence.ts';
import { readWithoutChecks } from '../consul/catalog-reader.ts';
import { Distrust, explainLoss } from '../consul/distrust.ts';
import { followBlockingQuery } from '../consul/blocking-query.ts';
import { TimeLine } from '../consul/time-line.ts';
import { systemClock } from '../clock.ts';
import type { Owner } from '../mark.ts';
import { entryIn, lossIn, ownNodeName } from '../to-consul/identity/entry.ts';
import { followOwnNode, knownEntry, OwnWitness } from '../to-consul/identity/own-witness.ts';
import type { Clients, Context } from './context.ts';
import type { Readings } from './readings.ts';

/** What has to hold before anything that is missing from Consul is believed to be gone; both directions have the same. */
export interface Trust {
  readonly distrust: Distrust;
  readonly timeLine: TimeLine;
  readonly witness: OwnWitness;
  readonly absence: Absence;
}

/** Tells of each loss when it is noticed. */
export function createDistrust({ log, metrics, timings }: Context): Distrust {
  const distrust = new Distrust(systemClock, timings?.distrustMs);
  distrust.subscribe((loss) => {
    metrics.timeWentBack.inc({ source: 'consul', sign: loss.sign });
    metrics.distrustEnds.set(loss.until.getTime() / 1000);
    log.warn('time went back in Consul', { sign: loss.sign, why: explainLoss(loss) });
  });
  return distrust;
}

export function readTimeLine(
  { log }: Context,
  { consul: client }: Pick<Clients, 'consul'>,
  readings: Readings,
  distrust: Distrust,
): Promise<TimeLine> {
  return readings.untilRead('Consul leader', () => TimeLine.read({ client, distrust, log, clock: systemClock }));
}

/** What is known of Consul before anything of ours is read of it. */
export interface Before extends Pick<Trust, 'distrust' | 'timeLine'> {
  /** Of Consular's own entry, as the leader before this process had it; undefined where nobody told. */
  readonly nonce: string | undefined;
}

/**
 * Reads who our witness is, and whether time went back while nobody watched:
 *
 * | Consular's own entry     | objects of ours           | outcome                                                         |
 * |--------------------------|---------------------------|-----------------------------------------------------------------|
 * | is there                 |                           | it is the witness; a loss that it tells of counts                |
 * | is not there             | none                      | we were never here: Consul's servers are the witness for now     |
 * | is not there             | some                      | Consul lost it, or it was never written: both count as a loss    |
 * | has another nonce than the leader before us knew, or is not there | | Consul lost it                                         |
 */
export async function readTrust(
  context: Context,
  { consul, brake }: Pick<Clients, 'consul' | 'brake'>,
  readings: Readings,
  owner: Owner,
  hasMirrors: () => Promise<boolean>,
  { distrust, timeLine, nonce }: Before,
): Promise<Trust> {
  const witness = await readings.untilRead("Consular's own entry", async () => {
    const options = { client: consul, owner, distrust, clock: systemClock };
    const [witness, contents] = await Promise.all([
      OwnWitness.read(options),
      readWithoutChecks(consul, ownNodeName(owner)),
    ]);
    const entry = knownEntry(owner, contents);
    const lostAt = contents && lossIn(owner, contents);
    if (lostAt) distrust.begin('told-by-own-entry', lostAt);
    if (entry) witness.trust(entry);
    else if (!entryIn(owner, contents) && (await hasMirrors())) distrust.begin('own-entry-lost');
    if (nonce !== undefined && entry?.nonce !== nonce) distrust.begin('own-entry-lost');
    return witness;
  });
  readings.add("Consular's own entry in Consul", () => witness.failure);
  // A question about a node that does not exist would be answered at every change of the catalog.
  inBackground(
    witness.trusted.then(() =>
      followBlockingQuery({ ...context, ...followOwnNode(owner, witness), client: consul, timeLine, brake }),
    ),
  );
  const absence = new Absence({ distrust, timeLine, witness, client: consul, signal: context.signal });
  return { distrust, timeLine, witness, absence };
}

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

/**
 * Reads who our witness is, and whether time went back while nobody watched:
 *
 * | Consular's own entry     | objects of ours           | outcome                                                         |
 * |--------------------------|---------------------------|-----------------------------------------------------------------|
 * | is there                 |                           | it is the witness; a loss that it tells of counts                |
 * | is not there             | none                      | we were never here: Consul's servers are the witness for now     |
 * | is not there             | some                      | Consul lost it, or it was never written: both count as a loss    |
 */
export async function readTrust(
  context: Context,
  { consul, brake }: Pick<Clients, 'consul' | 'brake'>,
  readings: Readings,
  owner: Owner,
  hasMirrors: () => Promise<boolean>,
): Promise<Trust> {
  const { log, metrics, timings } = context;
  const distrust = new Distrust(systemClock, timings?.distrustMs);
  distrust.subscribe((loss) => {
    metrics.timeWentBack.inc({ source: 'consul', sign: loss.sign });
    metrics.distrustEnds.set(loss.until.getTime() / 1000);
    log.warn('time went back in Consul', { sign: loss.sign, why: explainLoss(loss) });
  });
  const [timeLine, witness] = await Promise.all([
    readings.untilRead('Consul leader', () => TimeLine.read({ client: consul, distrust, log, clock: systemClock })),
    readings.untilRead("Consular's own entry", async () => {
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
      return witness;
    }),
  ]);
  readings.add("Consular's own entry in Consul", () => witness.failure);
  // A question about a node that does not exist would be answered at every change of the catalog.
  void witness.trusted.then(() =>
    followBlockingQuery({ ...context, ...followOwnNode(owner, witness), client: consul, timeLine, brake }),
  );
  return { distrust, timeLine, witness, absence: new Absence({ distrust, timeLine, witness, signal: context.signal }) };
}

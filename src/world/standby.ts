import { inBackground } from '../background.ts';
import { followBlockingQuery } from '../consul/blocking-query.ts';
import { decodeServiceNames, SERVICES_REQUEST } from '../consul/catalog.ts';
import type { TimeLine } from '../consul/time-line.ts';
import { explainError } from '../observability/log.ts';
import type { Clients, Context } from './context.ts';
import type { Readings } from './readings.ts';

/** Among the readings. */
export const STANDBY_SOURCE = 'Consul, as a standby';
/** The list is long where there are many services, and changes with each of their instances. */
const PER_SECOND = 0.2;

/**
 * What a standby reads of Consul: the list of all services and nothing else, by a long poll. So it is known that Consul can be
 * reached, and whether time goes back in it until this process leads. Whatever else is in Consul is read when the process leads:
 * the leader before it may change it until then.
 * @returns ends it
 */
export function standBy(
  context: Context,
  { consul, brake }: Pick<Clients, 'consul' | 'brake'>,
  readings: Readings,
  timeLine: TimeLine,
): () => void {
  const stop = new AbortController();
  let failure: string | undefined;
  readings.add(STANDBY_SOURCE, () => failure);
  inBackground(
    followBlockingQuery({
      ...{ ...context, client: consul, brake, timeLine, request: SERVICES_REQUEST, perSecond: PER_SECOND },
      signal: AbortSignal.any([context.signal, stop.signal]),
      onAnswer: async (answer) => {
        decodeServiceNames(answer);
        await timeLine.takeNamesIndex(answer.index);
      },
      onFailure: (error) => (failure = error === undefined ? undefined : explainError(error)),
    }),
  );
  return () => {
    stop.abort();
    readings.remove(STANDBY_SOURCE);
  };
}

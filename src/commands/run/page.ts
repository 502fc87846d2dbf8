import { systemClock } from '../../clock.ts';
import type { ChangeLog } from '../../observability/change-log.ts';
import type { StatusSource } from '../../observability/http.ts';
import type { Direction } from '../../observability/metrics.ts';
import { createPage } from '../../status-page/answers.ts';
import { listAttention, type Listing } from '../../status-page/listing.ts';
import type { Directions } from './directions.ts';

/** The status page of this process; its lists are empty as long as no direction runs, as on a standby. */
export function pageOf(directions: () => Directions | undefined): NonNullable<StatusSource['page']> {
  const listings = {
    pods: whileThere(() => directions()?.toConsul?.pods),
    mirrored: whileThere(() => directions()?.toKubernetes?.mirrored),
    services: whileThere(() => directions()?.toKubernetes?.services),
    attention: listAttention(() => {
      const { toConsul, toKubernetes } = directions() ?? {};
      return [...(toConsul?.attention() ?? []), ...(toKubernetes?.attention() ?? [])];
    }),
  };
  return createPage(listings, systemClock);
}

function whileThere<Row>(listing: () => Listing<Row> | undefined): Listing<Row> {
  return {
    keys: () => listing()?.keys() ?? [],
    text: (key) => listing()?.text(key) ?? '',
    row: (key) => listing()?.row(key),
  };
}

/** The last change in each direction since this process runs, for /status; null before the first. */
export function lastChanges(changes: Pick<ChangeLog, 'latest'>) {
  const latest = (direction: Direction) => changes.latest(direction) ?? null;
  return { toConsul: latest('to-consul'), toKubernetes: latest('to-kubernetes') };
}

import { systemClock } from '../../clock.ts';
import type { ChangeLog } from '../../observability/change-log.ts';
import type { StatusSource } from '../../observability/http.ts';
import type { Direction } from '../../observability/metrics.ts';
import { createPage, type Absent } from '../../status-page/answers.ts';
import { listAttention, type Listing } from '../../status-page/listing.ts';
import type { Directions } from './directions.ts';

type Lead = Readonly<{ is: string; phase: string; leader: string | null }>;

/** The status page of this process; it has no lists as long as no direction runs, as on a standby. */
export function pageOf(directions: () => Directions | undefined, lead: () => Lead): NonNullable<StatusSource['page']> {
  const listings = {
    pods: whileThere(() => directions()?.toConsul?.pods),
    mirrored: whileThere(() => directions()?.toKubernetes?.mirrored),
    services: whileThere(() => directions()?.toKubernetes?.services),
    attention: listAttention(() => {
      const { toConsul, toKubernetes } = directions() ?? {};
      return [...(toConsul?.attention() ?? []), ...(toKubernetes?.attention() ?? [])];
    }),
  };
  return createPage(listings, (list) => absenceOf(list, directions(), lead()), systemClock);
}

/** Of a process that leads nothing an empty list would look like that of a leader which has nothing. */
export function absenceOf(
  list: string,
  directions: Readonly<{ toConsul?: unknown; toKubernetes?: unknown }> | undefined,
  { is, phase, leader }: Lead,
): Absent | undefined {
  if (!directions) {
    const who = leader === null ? 'no leader is seen' : `${leader} leads, and has them`;
    const why =
      is === 'standby'
        ? `this process stands by and has no lists: ${who}`
        : `this process is ${phase}: it has no lists yet`;
    return { status: 503, error: why, leader };
  }
  const direction = list === 'pods' ? 'toConsul' : 'toKubernetes';
  if (list === 'attention' || directions[direction]) return undefined;
  return { status: 404, error: `${direction}.enabled is false: there is no such list`, leader };
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

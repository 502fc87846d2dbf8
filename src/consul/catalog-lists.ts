import { decodeHealthState, decodeServiceNames, healthStateRequest, SERVICES_REQUEST } from './catalog.ts';
import type { ChecksInState } from './health-states.ts';
import { SharedList, type SharedListOptions } from './shared-list.ts';
import type { TimeLine } from './time-line.ts';

/** The lists of Consul's that wake at each change of its catalog; both directions read the same ones. */
export interface CatalogLists {
  /** Names of all services, as Consul spells them. */
  readonly names: List<readonly string[]>;
  readonly critical: List<ChecksInState>;
  readonly warning: List<ChecksInState>;
}

type List<T> = Pick<SharedList<T>, 'purpose' | 'subscribe' | 'endRest'>;

export interface CatalogListsOptions extends Omit<
  SharedListOptions<never>,
  'request' | 'judge' | 'perSecond' | 'futilePerSecond' | 'timeLine'
> {
  readonly timeLine: Pick<TimeLine, 'early' | 'failed' | 'answeredAgain' | 'takeNamesIndex'>;
}

/**
 * A list of checks that is empty wakes at every change of any check. That of critical ones has to be quick all the same; that of
 * warnings is empty most of the time, and says less.
 */
const PACE = {
  names: { perSecond: 1 },
  critical: { perSecond: 10 },
  warning: { perSecond: 10, futilePerSecond: 1 },
};

/** Nothing is asked before somebody subscribes to the list. */
export function createCatalogLists(options: CatalogListsOptions): CatalogLists {
  const checks = (status: 'critical' | 'warning') => {
    const request = healthStateRequest(status);
    const judge: SharedListOptions<ChecksInState>['judge'] = (answer) => decodeHealthState(answer, request.purpose);
    return new SharedList({ ...options, request, judge, ...PACE[status] });
  };
  const names: SharedListOptions<readonly string[]> = {
    ...{ ...options, ...PACE.names, request: SERVICES_REQUEST },
    judge: async (answer) => {
      const spellings = decodeServiceNames(answer);
      await options.timeLine.takeNamesIndex(answer.index);
      return spellings;
    },
  };
  return { names: new SharedList(names), critical: checks('critical'), warning: checks('warning') };
}

import type { Log } from '../observability/log.ts';
import type { Term } from './election-rules.ts';

export type Standing =
  /** Somebody else leads, or nobody yet. */
  | {
      readonly kind: 'standby';
      /** Undefined when nobody is seen who holds the Lease and renews it. */
      readonly leader: string | undefined;
    }
  | { readonly kind: 'leading'; readonly term: Term }
  /** The Lease could not be renewed in time, and nobody else is known to have it: nothing may be written until it is. */
  | { readonly kind: 'suspended'; readonly term: Term }
  /** The Lease was ours, and is not any more: this process never leads again. */
  | { readonly kind: 'lost'; readonly why: string }
  /** The election was stopped, or the Lease was released by ourselves. */
  | { readonly kind: 'ended' };

/**
 * Passes a standing on when it is of another kind than the last one, or names another leader, after a line in the log. Time
 * alone changes a standing too, so it has to be asked again and again. The end is not told: whoever stops the election knows.
 */
export function standingTeller(
  log: Log,
  fields: { readonly lease: string; readonly identity: string },
  onStanding: (standing: Standing) => void,
): (standing: Standing, failure: string | undefined) => void {
  let told: Standing['kind'] | undefined;
  let toldLeader: string | undefined;
  return (standing, failure) => {
    const leader = standing.kind === 'standby' ? standing.leader : undefined;
    const isSame = standing.kind === told && (leader === undefined || leader === toldLeader);
    if (isSame || standing.kind === 'ended') return;
    const before = told;
    told = standing.kind;
    toldLeader = leader;
    switch (standing.kind) {
      case 'standby':
        log.info('standing by', { ...fields, leader });
        break;
      case 'leading':
        if (before === 'suspended') log.info('renewed the Lease, leading again', fields);
        else log.info('became the leader', { ...fields, transitions: standing.term.transitions });
        break;
      case 'suspended':
        log.warn('could not renew the Lease in time, writing nothing until it is renewed', { ...fields, failure });
        break;
      case 'lost':
        log.error('lost the Lease', { ...fields, why: standing.why });
    }
    onStanding(standing);
  };
}

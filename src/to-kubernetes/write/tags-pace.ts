import { sameService } from '../objects/service.ts';
import { ANNOTATION } from '../../mark.ts';
import type { NamespacePlan } from '../plan/namespace-plan.ts';

/** Where instances elect a leader by a tag, tags may change every second: a Service is written for tags alone once in this time. */
const GAP_MS = 60_000;

export interface TagsPace {
  /** The plan without what would be written for tags alone too soon, and how long that has to wait; 0 when nothing has to. */
  hold(plan: NamespacePlan): { readonly plan: NamespacePlan; readonly waitMs: number };
}

/** @param now a clock in milliseconds that never goes back */
export function createTagsPace(now: () => number): TagsPace {
  /** When a Service may be written for its tags again. */
  const restsUntil = new Map<string, number>();

  /** Takes the turn when there is one. */
  function waitOf(key: string): number {
    for (const [other, until] of restsUntil) if (until <= now()) restsUntil.delete(other);
    const until = restsUntil.get(key);
    if (until !== undefined) return until - now();
    restsUntil.set(key, now() + GAP_MS);
    return 0;
  }

  return {
    hold(plan) {
      let waitMs = 0;
      const update = plan.service.update.filter(({ desired, observed }) => {
        const tags = observed.annotations.get(ANNOTATION.consulTags) ?? null;
        if (!sameService({ ...desired, tags }, observed)) return true;
        const wait = waitOf(`${plan.namespace}/${desired.name}`);
        waitMs = Math.max(waitMs, wait);
        return wait === 0;
      });
      return { plan: waitMs === 0 ? plan : { ...plan, service: { ...plan.service, update } }, waitMs };
    },
  };
}

import type { PodPlan } from './pod-plan.ts';

/** What is known does not show what a direct read shows, or is out of date: the key waits until that is over. */
export class ViewBehind extends Error {}

/**
 * The queue took longer than an answer stays fresh: nothing else would bring the key back.
 * @throws ViewBehind then
 */
export function assertKnown(key: string, plan: PodPlan | undefined): void {
  if (plan && plan.unread.length > 0)
    throw new ViewBehind(`write ${key} to Consul: which instances others have was not known any more when it was sent`);
}

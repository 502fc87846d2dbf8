import type { Pod } from '../../kubernetes/objects.ts';
import { isAddressOf } from '../desired/pod-addresses.ts';
import type { Desired } from '../desired/desired-registrations.ts';
import { readinessOf } from '../desired/readiness.ts';
import type { OwnInstance } from '../observed/own-instance.ts';

/**
 * Why an instance goes, in words. The first row that fits says it:
 *
 * | the pod                                        | says                                              |
 * |------------------------------------------------|---------------------------------------------------|
 * | is not there                                   | that it is gone                                   |
 * | has another uid                                | that another has its name                         |
 * | may have nothing, or nobody asks for it        | the row of the decision table                     |
 * | has the address of the instance no more        | that                                              |
 * | is not Ready                                   | since when, and why                               |
 * | is registered otherwise                        | that nobody asks for that name and port any more  |
 */
export function whyGone(
  { podUid, registration: { address } }: OwnInstance,
  pod: Pod | undefined,
  desired: Pick<Desired, 'isAsked' | 'rule'> | undefined,
  gate: string | undefined,
): string {
  if (!pod || !desired) return 'the pod is gone';
  if (podUid !== '' && podUid !== pod.uid) return 'the pod is gone, and another has its name';
  if (!desired.isAsked) return desired.rule;
  if (!isAddressOf(pod, address)) return `the pod has the address ${address} no more`;
  const { isReady, output } = readinessOf(pod, gate);
  return isReady ? 'nobody asks for that name and port any more' : output;
}

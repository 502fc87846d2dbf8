import type { Pod } from '../../kubernetes/objects.ts';
import { META } from '../../mark.ts';
import { isAddressOf } from '../desired/pod-addresses.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Proof } from '../observed/proof-reader.ts';
import { POD } from '../requests/requests.ts';
import { judgeProof, type Proven } from './proof.ts';
import type { Unproven } from './pod-plan.ts';

export interface RemovalSources {
  readonly pod: Pod | undefined;
  /** Who asked for instances that must stay: names of Services, and the empty string for the pod itself. */
  readonly holders: ReadonlySet<string>;
  /** Lower-case names of Consul services of which all instances of the pod must stay: Services that are held ask for them. */
  readonly names: ReadonlySet<string>;
  /** Whether foreign instances have to be read before all of the plan can be said. */
  readonly isUnread: boolean;
  readonly proofNeeded: (instance: OwnInstance) => Proof | undefined;
  readonly proven: Proven;
  /** Whether another instance of ours of the same Consul service belongs to a pod that is there. */
  readonly hasLivingOther: (instance: OwnInstance) => boolean;
}

export interface Removals {
  readonly remove: readonly OwnInstance[];
  readonly held: readonly OwnInstance[];
  readonly unproven: readonly Unproven[];
  /** The last of their service: one direct read has proven it, and a second has to. */
  readonly unconfirmed: readonly Unproven[];
}

/**
 * What becomes of observed instances that are not wanted. The first row that fits decides:
 *
 * | an instance                                                                         | outcome  |
 * |-------------------------------------------------------------------------------------|----------|
 * | of the pod, at an address that the pod does not have any more                       | removed  |
 * | of the pod, that somebody asked for, or asks for too, whose input is broken or refused by the policy | held |
 * | whatever it is, while foreign instances of a wanted name are not read               | held     |
 * | whose removal is evidenced                                                          | removed  |
 * | any other                                                                           | as `judgeProof` says: removed, unproven (read), or unconfirmed (read again) |
 *
 * The first row comes first because the address may be another pod's by now, which would be called under the name of this
 * pod.
 */
export function judgeRemovals(observed: readonly OwnInstance[], sources: RemovalSources): Removals {
  const { pod, holders, names, isUnread, proofNeeded, proven, hasLivingOther } = sources;
  const remove: OwnInstance[] = [];
  const held: OwnInstance[] = [];
  const unproven: Unproven[] = [];
  const unconfirmed: Unproven[] = [];
  for (const instance of observed) {
    const { podUid, registration } = instance;
    const isOfPod = pod !== undefined && (podUid === '' || podUid === pod.uid);
    if (isOfPod && !isAddressOf(pod, registration.address)) {
      remove.push(instance);
      continue;
    }
    // Before all is read nobody can say what an instance is to be replaced by.
    const isHeld = holders.has(askerOf(registration.meta)) || names.has(registration.service.toLowerCase());
    if ((isOfPod && isHeld) || isUnread) {
      held.push(instance);
      continue;
    }
    const proof = proofNeeded(instance);
    const verdict = proof ? judgeProof(proof, proven.get(instance), () => hasLivingOther(instance)) : 'remove';
    if (proof && verdict !== 'remove') (verdict === 'read' ? unproven : unconfirmed).push({ instance, proof });
    else remove.push(instance);
  }
  return { remove, held, unproven, unconfirmed };
}

/** The Service that asked for a registration, by its name, or the pod itself. */
export function askerOf(meta: ReadonlyMap<string, string>): string {
  return meta.get(META.service) ?? POD;
}

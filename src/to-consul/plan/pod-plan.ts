import type { Service } from '../../kubernetes/objects.ts';
import type { Changes } from '../../reconcile/changes.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Proof } from '../observed/proof-reader.ts';
import type { Registration } from '../registration/registration.ts';
import type { Rejection, ServiceProblem } from '../registration/rejection.ts';
import type { PodMembers } from './losses.ts';
import type { Wait } from './places.ts';
import type { RetainedInstance } from './retention.ts';

/** A removal that nobody witnessed, and the direct read that it needs first. */
export interface Unproven {
  readonly instance: OwnInstance;
  readonly proof: Proof;
}

/** What is to be done for one pod, and what has to be read, followed, recorded or told for it. */
export interface PodPlan {
  readonly changes: Changes<Registration, OwnInstance>;
  /** Not among the changes. */
  readonly unproven: readonly Unproven[];
  /** Not among the changes: one direct read has proven them, and a second has to, because they are the last of a service. */
  readonly unconfirmed: readonly Unproven[];
  readonly rejections: readonly Rejection[];
  /** What somebody wrote that has no effect, and is no reason not to register. */
  readonly warnings: readonly string[];
  /** What Services over the pod ask for and do not get. */
  readonly ofServices: readonly ServiceProblem[];
  /** Consul nodes that the pod needs and that are somebody else's. */
  readonly refusedNodes: readonly string[];
  /** Services whose foreign instances have to be read before all of it can be said. */
  readonly unread: readonly string[];
  /** What refused registrations wait for: the pod has to be planned again when that changes. */
  readonly waitsFor: readonly Wait[];
  /** What the pod keeps in Consul, or gets when the plan is written: to be recorded in Places at that moment. */
  readonly places: readonly Registration[];
  /** Instances that stay although they are not wanted as they are, because something about them is broken. */
  readonly held: readonly OwnInstance[];
  /** Instances that would go, and stay with a critical check because `toConsul.removals` is never. */
  readonly kept: readonly OwnInstance[];
  /** Instances that stay, or are registered again, although the pod is not Ready. */
  readonly retained: readonly RetainedInstance[];
  /** What of the pod is there, and what of it would go because the pod is not Ready: the breaker has to know. */
  readonly members: PodMembers;
  /** Whether anybody asks for a registration of a pod that may have one. */
  readonly isAsked: boolean;
  /** For a pod with a shut readiness gate: Services that will ask as soon as one of their slices has the pod. */
  readonly awaited: readonly Service[];
  /** The row of the decision table that decided, in words. */
  readonly rule: string;
  /** Why an instance that is removed, or would be after a direct read, goes, in words. */
  readonly whyGone: ReadonlyMap<OwnInstance, string>;
}

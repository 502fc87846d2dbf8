import type { Service } from '../../kubernetes/objects.ts';
import type { Changes } from '../../reconcile/changes.ts';
import type { OwnInstance } from '../observed/own-instance.ts';
import type { Registration } from '../registration/registration.ts';
import type { Rejection } from '../registration/rejection.ts';

/** A direct read that an inferred removal waits for. */
export interface Proof {
  /** For EndpointSlice all those of a Service, of which none may target the pod. */
  readonly kind: 'Pod' | 'Service' | 'EndpointSlice';
  readonly namespace: string;
  /** Of the pod or Service. */
  readonly name: string;
  /** Empty for any. */
  readonly uid: string;
}

export interface PodPlan {
  readonly changes: Changes<Registration, OwnInstance>;
  /** Removals that nobody witnessed: they need a direct read of the pod first, and are not among the changes. */
  readonly unproven: readonly OwnInstance[];
  readonly rejections: readonly Rejection[];
  /** What somebody wrote that has no effect, and is no reason not to register. */
  readonly warnings: readonly string[];
  /** Consul nodes that the pod needs and that are somebody else's. */
  readonly refusedNodes: readonly string[];
  /** Services whose foreign instances have to be read before all of it can be said. */
  readonly unread: readonly string[];
  /** Instances that stay although they are not wanted as they are, because something about them is broken. */
  readonly held: readonly OwnInstance[];
  /** Whether anybody asks for a registration of a pod that may have one. */
  readonly isAsked: boolean;
  /** For a pod with a shut readiness gate: Services that will ask as soon as one of their slices has the pod. */
  readonly awaited: readonly Service[];
  /** The row of the decision table that decided, in words. */
  readonly rule: string;
}

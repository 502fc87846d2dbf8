import type { Service } from '../kubernetes/objects.ts';

/** Something for somebody to mend: what the Event, the log and the metric say. */
export interface Problem {
  readonly reason: Reason;
  /** One sentence for the person who can mend it. */
  readonly message: string;
  /** The Service to say it on; undefined for the one that is being mirrored, or that takes something in. */
  readonly about?: Service;
}

export const REASONS = [
  'NameConflict',
  'InstanceRefused',
  'NameCollision',
  'ServiceShape',
  'AddressFamily',
  'SharedAddress',
  'HostUnresolved',
  'ClusterIPRangeFull',
  'WriteRefused',
  'ImportDenied',
  'InvalidAnnotation',
  'InvalidPort',
  'UnknownService',
  'TrafficPolicy',
] as const;
export type Reason = (typeof REASONS)[number];

/** True for what somebody should know although all that was asked for is done. */
export function isWarning({ reason }: Problem): boolean {
  return reason === 'TrafficPolicy' || reason === 'HostUnresolved';
}

import type { EventReason } from '../../event-reasons.ts';
import { escapeControls } from '../../json.ts';

/** Every reason. */
export const REASONS = [
  'InvalidAnnotation',
  'InvalidServiceName',
  'InvalidPort',
  'InvalidVariable',
  'InvalidMeta',
  'InvalidAddress',
  'ReservedName',
  'NoPod',
  'NodeConflict',
  'HostNetwork',
  'Duplicate',
  'Overruled',
  'UnreadableService',
  'PolicyDenied',
  'ConsulRefused',
  'GateRefused',
  'QuotaExceeded',
] as const satisfies readonly EventReason[];

/** What was asked and cannot be done: what the Event, the log and the metric say. */
export interface Rejection {
  readonly reason: (typeof REASONS)[number];
  /** One sentence for the person who can fix it. */
  readonly message: string;
  /** Nothing is wrong unless it lasts: the slices of a Service follow its pods a moment later. @default false */
  readonly ifItLasts?: boolean;
}

/** Something that a Service asks for and does not get, found at one of its pods. */
export interface ServiceProblem {
  /** `namespace/name` */
  readonly service: string;
  /** The same for all pods at which the same is found: it is told once. */
  readonly about: string;
  /**
   * - wrong: somebody has to mend it;
   * - late: nothing is wrong with it unless it lasts, because the slices of a Service follow it a moment later;
   * - overruled: another Service wins; the pods are registered.
   */
  readonly kind: 'wrong' | 'late' | 'overruled';
  readonly rejection: Rejection;
}

/** User text for messages: quoted, escaped, shortened. */
export function quote(value: string): string {
  const escaped = escapeControls(JSON.stringify(value.slice(0, 128)));
  return value.length > 128 ? `${escaped} (shortened)` : escaped;
}

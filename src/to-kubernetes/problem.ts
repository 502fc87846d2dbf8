import type { EventReason } from '../event-reasons.ts';
import type { Service } from '../kubernetes/objects.ts';

/**
 * Something for somebody to mend: what the Event, the log, the metric and Consular's own entry say, and `plan` and
 * `explain` too, but for ClusterIPRangeFull, WriteRefused, Contested, Altered and the addresses that the API server refuses,
 * which only a write can find out.
 */
export interface Problem {
  readonly reason: Reason;
  /** One sentence for the person who can mend it. */
  readonly message: string;
  /** The Service to say it on; undefined for the Service that is being mirrored, or that takes something in. */
  readonly about: Service | undefined;
  /** True when all that was asked for is done all the same. */
  readonly isWarning: boolean;
}

/** Every reason, and whether it is a warning only. */
const WARNS = {
  NamespaceClosed: false,
  NameConflict: false,
  InstanceRefused: false,
  TooManyServices: false,
  UnreadableService: false,
  NameCollision: true,
  ServiceShape: true,
  AddressFamily: true,
  SharedAddress: true,
  HostUnresolved: true,
  ClusterIPRangeFull: false,
  WriteRefused: false,
  Contested: false,
  Altered: false,
  ImportDenied: false,
  InvalidAnnotation: false,
  InvalidPort: false,
  UnknownService: false,
  TrafficPolicy: true,
  TagsOmitted: true,
} as const satisfies Partial<Record<EventReason, boolean>>;
export type Reason = keyof typeof WARNS;
export const REASONS = Object.keys(WARNS) as readonly Reason[];

/** @param why the namespace is closed */
export function namespaceClosed(namespace: string, why: string): Problem {
  return problem('NamespaceClosed', `nothing is written into namespace ${namespace}, and nothing removed: ${why}`);
}

export function problem(reason: Reason, message: string, about?: Service): Problem {
  return { reason, message, about, isWarning: WARNS[reason] };
}

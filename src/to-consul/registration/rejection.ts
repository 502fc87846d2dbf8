import { escapeControls } from '../../json.ts';

/** User input that cannot be honoured: what the Event, the log and the metric say. */
export interface Rejection {
  readonly reason:
    | 'InvalidAnnotation'
    | 'InvalidServiceName'
    | 'InvalidPort'
    | 'InvalidVariable'
    | 'InvalidMeta'
    | 'InvalidAddress'
    | 'ReservedName'
    | 'NoPod'
    | 'NodeConflict'
    | 'HostNetwork'
    | 'Duplicate'
    | 'UnreadableService'
    | 'PolicyDenied'
    | 'QuotaExceeded';
  /** One sentence for the person who can fix it. */
  readonly message: string;
}

/** User text for messages: quoted, escaped, shortened. */
export function quote(value: string): string {
  const escaped = escapeControls(JSON.stringify(value.slice(0, 128)));
  return value.length > 128 ? `${escaped} (shortened)` : escaped;
}

import type { Recorded } from './replay/template.ts';

/** What the real API server said in this run: everything that the replaying one says of the kinds that are many. */
export interface Recording {
  readonly kinds: Readonly<Record<ReplayedKind, RecordedKind>>;
  readonly pod: {
    /** Events of a watch: the pod appeared, became not ready, became ready. */
    readonly added: Encodings;
    readonly notReady: Encodings;
    readonly ready: Encodings;
  };
  readonly node: { readonly added: Recorded };
  readonly service: { readonly added: Recorded };
  readonly slices: readonly RecordedSlice[];
  /** Pages of the list of pods in JSON, and what there is in them. */
  readonly podPage: Recorded;
  readonly podInPage: Recorded;
}

export interface Encodings {
  /** A frame: the length in four bytes, and the event. */
  readonly protobuf: Recorded;
  /** A line. */
  readonly json: Recorded;
}

export const REPLAYED = {
  pods: '/api/v1/pods',
  nodes: '/api/v1/nodes',
  services: '/api/v1/services',
  slices: '/apis/discovery.k8s.io/v1/endpointslices',
} as const;
export type ReplayedKind = keyof typeof REPLAYED;

export interface RecordedKind {
  /** A list of one object, of which the version counts. */
  readonly page: Recorded;
  /** The event that ends the list at the beginning of a watch. */
  readonly listEnd: Recorded;
  /** The event that is sent about every minute. */
  readonly bookmark: Encodings;
}

/** Of a service with so many pods. The texts are its own, then four of each pod. */
export interface RecordedSlice {
  readonly pods: number;
  readonly added: Recorded;
  readonly modified: Recorded;
  /** For each pod, where the event of a change says whether it is ready: bytes that are 1 or 0. */
  readonly readyAt: readonly (readonly number[])[];
}

import type { EndpointSlice } from '../../kubernetes/objects.ts';
import { ANNOTATION } from '../../mark.ts';
import type { Body } from './body.ts';

/** How far Consul was, and which Consul it was. */
export interface ConsulMark {
  /** Of the list of all services. */
  readonly index: number;
  /** Of Consular's own entry; empty while there is none. */
  readonly nonce: string;
}

/**
 * The index of Consul's list of all services at the time when a slice was written, as an annotation of it: after a restart a
 * Consul with a lower index is known to have gone back in time while nobody watched. Another Consul, or one that was emptied, has
 * another nonce on Consular's own entry, and its indexes are no lower than anything. The annotation is written with what changes
 * anyway, and no reason to write.
 */
export function withIndex(body: Body, { index, nonce }: ConsulMark): Body {
  const { metadata } = body;
  const annotations = { ...metadata.annotations, [ANNOTATION.consulIndex]: `${index}@${nonce}` };
  return { ...body, metadata: { ...metadata, annotations } };
}

/** The highest index that any of these slices was written at, while our own entry had that nonce; 0 when none says so. */
export function highestIndex(slices: Iterable<Pick<EndpointSlice, 'annotations'>>, nonce: string): number {
  let highest = 0;
  for (const { annotations } of slices) {
    const [index, of] = (annotations.get(ANNOTATION.consulIndex) ?? '').split('@');
    // Somebody may have edited it.
    if (of === nonce && Number.isSafeInteger(Number(index))) highest = Math.max(highest, Number(index));
  }
  return highest;
}

import type { EndpointSlice } from '../../kubernetes/objects.ts';
import { ANNOTATION } from '../../mark.ts';
import type { Body } from './body.ts';

/**
 * The index of Consul's list of all services at the time when a slice was written, as an annotation of it: after a restart a
 * Consul with a lower index is known to have gone back in time while nobody watched. It is written with what changes anyway, and
 * no reason to write.
 */
export function withIndex(body: Body, index: number): Body {
  const { metadata } = body;
  const annotations = { ...metadata.annotations, [ANNOTATION.consulIndex]: String(index) };
  return { ...body, metadata: { ...metadata, annotations } };
}

/** The highest index that any of these slices was written at; 0 when none says so. */
export function highestIndex(slices: Iterable<Pick<EndpointSlice, 'annotations'>>): number {
  let highest = 0;
  for (const { annotations } of slices) {
    const index = Number(annotations.get(ANNOTATION.consulIndex));
    // Somebody may have edited it.
    if (Number.isSafeInteger(index)) highest = Math.max(highest, index);
  }
  return highest;
}

import type { Attention } from '../../status-page/listing.ts';

type Reasons = Iterable<readonly [what: string, why: string]>;

/**
 * What needs somebody in this direction, an object each.
 * @param failing pods, `namespace/name`
 * @param rejected objects with their kind
 * @param held pods, `namespace/name`
 */
export function* attentionOf(failing: Reasons, rejected: Reasons, held: Reasons): Generator<Attention> {
  const direction = 'to-consul';
  for (const [pod, why] of failing) yield { direction, kind: 'failing', object: `Pod ${pod}`, why };
  for (const [object, why] of rejected) yield { direction, kind: 'rejected', object, why };
  for (const [pod, why] of held) yield { direction, kind: 'held', object: `Pod ${pod}`, why };
}

/** More of them are left out as a whole: half a list would say that the others are not there. */
const LONGEST_BYTES = 4096;

/**
 * Tags of a Consul service as an annotation of its Service, in the form of the annotation `service-tags`: in order, with
 * commas between them, and `\,` for a comma within one. Null when there are none, or too many.
 */
export function writeTags(tags: readonly string[]): string | null {
  return tags.length === 0 || areTooLong(tags) ? null : textOf(tags);
}

export function areTooLong(tags: readonly string[]): boolean {
  return Buffer.byteLength(textOf(tags)) > LONGEST_BYTES;
}

function textOf(tags: readonly string[]): string {
  return tags.map((tag) => tag.replaceAll(',', '\\,')).join(',');
}

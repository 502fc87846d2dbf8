/** Recorded bytes with the texts in them that differ from object to object, as it is saved. */
export interface Recorded {
  /** Base64. */
  readonly bytes: string;
  /** Each occurs in the bytes, and is written over with a text of the same length. */
  readonly texts: readonly string[];
}

export interface Template {
  readonly bytes: Buffer;
  /** Makes the object that has these texts, in the order of the recorded ones. */
  render(texts: readonly string[]): Buffer;
}

/** @throws Error when a text is not in the bytes: then the recording is not what it is taken for. */
export function templateOf({ bytes: base64, texts: recorded }: Recorded): Template {
  const bytes = Buffer.from(base64, 'base64');
  const slots = recorded.map((text) => occurrences(bytes, text));
  return {
    bytes,
    render(texts) {
      const copy = Buffer.from(bytes);
      for (const [i, text] of texts.entries()) {
        if (text.length !== recorded[i]?.length)
          throw new Error(`write over "${recorded[i] ?? ''}": expected a text of the same length, found "${text}"`);
        for (const at of slots[i] ?? []) copy.write(text, at, 'latin1');
      }
      return copy;
    },
  };
}

function occurrences(bytes: Buffer, text: string): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(text, 0, 'latin1'); at >= 0; at = bytes.indexOf(text, at + text.length, 'latin1'))
    found.push(at);
  if (found.length === 0)
    throw new Error(`find "${text}" in recorded bytes: expected it at least once, found it nowhere`);
  return found;
}

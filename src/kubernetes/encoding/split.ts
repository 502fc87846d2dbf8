/**
 * Cut the body of a watch, which arrives in pieces of any size, into the parts it was written in. A part that spans
 * several pieces is put together once, when its last piece is there; all others are not copied. What is incomplete when
 * the body ends was cut off, and is dropped.
 */

/** A larger frame is no event: etcd takes objects of at most 1.5 MiB as it is set up, and nobody sets it up for this. */
const LARGEST_FRAME = 64 * 1024 * 1024;
const HEADER = 4;

/** Lines of text, without empty ones. */
export function splitLines(): (piece: Buffer) => Iterable<string> {
  let held: Buffer[] = [];
  return function* (piece) {
    let start = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, start)) {
      const last = piece.subarray(start, end);
      const line = held.length === 0 ? last : Buffer.concat([...held, last]);
      held = [];
      start = end + 1;
      if (line.length > 0) yield line.toString('utf8');
    }
    if (start < piece.length) held.push(piece.subarray(start));
  };
}

/** Frames: the length in four bytes, big end first, and as many bytes. */
export function splitFrames(): (piece: Buffer) => Iterable<Buffer> {
  let held: Buffer[] = [];
  /** A frame is two parts: four bytes that say how long the part after them is. */
  let inHeader = true;
  let missing = HEADER;
  return function* (piece) {
    let at = 0;
    while (piece.length - at >= missing) {
      const isWhole = held.length === 0;
      const bytes = isWhole ? piece : Buffer.concat([...held, piece.subarray(at, at + missing)]);
      const start = isWhole ? at : 0;
      const frame = inHeader ? undefined : bytes.subarray(start, isWhole ? at + missing : bytes.length);
      held = [];
      at += missing;
      missing = frame ? HEADER : lengthAt(bytes, start);
      inHeader = frame !== undefined;
      if (frame) yield frame;
    }
    if (at < piece.length) held.push(piece.subarray(at));
    missing -= piece.length - at;
  };
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at);
  if (length > LARGEST_FRAME)
    throw new TypeError(`read watch: expected a frame of at most ${LARGEST_FRAME} bytes, found one of ${length}`);
  return length;
}

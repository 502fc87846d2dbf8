/**
 * As much of the wire format of Protocol Buffers as it takes to find a field in recorded bytes, and to give it another
 * length. It shares no code with src/: what is wrong there must not be wrong here in the same way.
 */

/** Where the value of a field is. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

interface Field extends Place {
  readonly number: number;
  /** Where the field begins, its number included. */
  readonly from: number;
}

/** What comes before everything that Kubernetes writes in protobuf. */
const MAGIC = Buffer.from('k8s\0', 'latin1');

/** The values of all fields at that path of field numbers. */
export function find(bytes: Buffer, path: readonly number[], within: Place = whole(bytes)): Place[] {
  const [number, ...rest] = path;
  const fields = [...fieldsOf(bytes, within)].filter((field) => field.number === number);
  return rest.length === 0 ? fields : fields.flatMap((field) => find(bytes, rest, field));
}

/** The same message with another value of the one field at that path; all around it get their new lengths. */
export function replace(bytes: Buffer, path: readonly number[], value: Buffer): Buffer {
  const [number, ...rest] = path;
  const within = whole(bytes);
  const pieces = [bytes.subarray(0, within.start)];
  for (const { from, start, end, number: found } of fieldsOf(bytes, within)) {
    if (found !== number) {
      pieces.push(bytes.subarray(from, end));
      continue;
    }
    const inner = rest.length === 0 ? value : replace(bytes.subarray(start, end), rest, value);
    pieces.push(varint(number * 8 + 2), varint(inner.length), inner);
  }
  return Buffer.concat(pieces);
}

function whole(bytes: Buffer): Place {
  return { start: startOf(bytes, 0), end: bytes.length };
}

function startOf(bytes: Buffer, at: number): number {
  return bytes.subarray(at, at + MAGIC.length).equals(MAGIC) ? at + MAGIC.length : at;
}

function* fieldsOf(bytes: Buffer, { start: begin, end: stop }: Place): Generator<Field> {
  for (let at = startOf(bytes, begin); at < stop;) {
    const from = at;
    const tag = readVarint(bytes, at);
    const [number, type] = [Math.floor(tag.value / 8), tag.value % 8];
    let [start, end] = [tag.end, tag.end];
    if (type === 0) end = readVarint(bytes, start).end;
    else if (type === 1) end = start + 8;
    else if (type === 5) end = start + 4;
    else if (type === 2) {
      const length = readVarint(bytes, start);
      start = length.end;
      end = start + length.value;
    } else throw new Error(`read protobuf at byte ${from}: expected a wire type that is in use, found ${type}`);
    if (end > stop)
      throw new Error(`read protobuf at byte ${from}: expected a field that ends by ${stop}, found ${end}`);
    yield { number, from, start, end };
    at = end;
  }
}

function readVarint(bytes: Buffer, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i] ?? 0;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: at + i + 1 };
  }
  throw new Error(`read protobuf at byte ${at}: expected a number of at most 10 bytes, found a longer one`);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest < 128 ? rest : (rest % 128) + 128);
    if (rest < 128) return Buffer.from(bytes);
  }
}

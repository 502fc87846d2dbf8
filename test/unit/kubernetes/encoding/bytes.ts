/** Writes the Protocol Buffers wire format, field by field; it shares no code with what reads it. */

export function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

export function key(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

export function number(field: number, value: number | bigint): Buffer {
  return Buffer.concat([key(field, 0), varint(value)]);
}

export function bytes(field: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([key(field, 2), varint(content.length), content]);
}

export function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value, 'utf8'));
}

export function entry(field: number, name: string, value: string): Buffer {
  return bytes(field, text(1, name), text(2, value));
}

/** Four and eight bytes that no table reads. */
export const fixed = { four: (field: number) => fill(field, 5, 4), eight: (field: number) => fill(field, 1, 8) };

function fill(field: number, wireType: number, length: number): Buffer {
  return Buffer.concat([key(field, wireType), Buffer.alloc(length, 0xff)]);
}

/** What the API server wraps everything in. */
export function envelope(kind: string, ...parts: Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from('k8s\0'), bytes(1, text(1, 'v1'), text(2, kind)), bytes(2, ...parts)]);
}

export function frame(...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(content.length);
  return Buffer.concat([header, content]);
}

export function watchEvent(type: string, object: Uint8Array): Buffer {
  return frame(text(1, type), bytes(2, bytes(1, object)));
}

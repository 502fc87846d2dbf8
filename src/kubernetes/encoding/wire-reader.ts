import { sharedBytes } from './shared.ts';

/** How a value is written, in the numbers of the format. Groups (3 and 4) were given up before Kubernetes began. */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

/** What takes all that is left to read. */
interface Whole<V> {
  whole(wire: WireReader): V;
}

/**
 * Reads a message of the Protocol Buffers wire format from front to back: ask for the next field, then take its value or
 * skip it. Nothing is copied but the texts that are taken. It never reads past the message: what claims to be longer, or
 * is no message at all, is an error.
 */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #stop: number;
  #at: number;
  #end: number;
  #wireType = VARINT;
  /** Upper half of the last varint; the lower is what reading it returned. */
  #high = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#start = this.#at = start;
    this.#stop = this.#end = end;
  }

  /** Reads the whole message, wherever this reader got to. */
  as<V>(table: Whole<V>): V {
    return table.whole(new WireReader(this.#bytes, this.#start, this.#stop));
  }

  /** Goes past these bytes; false when others are next. */
  takePrefix(prefix: Buffer): boolean {
    const end = this.#at + prefix.length;
    if (end > this.#end || this.#bytes.compare(prefix, 0, prefix.length, this.#at, end) !== 0) return false;
    this.#at = end;
    return true;
  }

  /** Number of the next field, or 0 after the last. */
  next(): number {
    if (this.#at === this.#end) return 0;
    const tag = this.#varint() >>> 0;
    if (this.#high !== 0 || tag < 8) throw this.#error('the number of a field', 'none');
    this.#wireType = tag & 7;
    return tag >>> 3;
  }

  skip(): void {
    if (this.#wireType === DELIMITED) this.#take(this.#length());
    else if (this.#wireType === VARINT) this.#varint();
    else if (this.#wireType === FIXED64) this.#take(8);
    else if (this.#wireType === FIXED32) this.#take(4);
    else throw this.#error('a wire type that is in use', String(this.#wireType));
  }

  boolean(): boolean {
    this.#expect(VARINT);
    return (this.#varint() | this.#high) !== 0;
  }

  int32(): number {
    this.#expect(VARINT);
    return this.#varint();
  }

  /** Exact up to 2^53: the seconds of any time that can be written down. */
  int64(): number {
    this.#expect(VARINT);
    const low = this.#varint() >>> 0;
    return this.#high * 0x1_0000_0000 + low;
  }

  string(): string {
    const start = this.#delimited();
    return this.#bytes.toString('utf8', start, this.#at);
  }

  /** A text that is likely to repeat. */
  sharedString(): string {
    const start = this.#delimited();
    return sharedBytes(this.#bytes, start, this.#at);
  }

  /** A reader of the value alone, for a message that is read later or not at all. */
  value(): WireReader {
    const start = this.#delimited();
    return new WireReader(this.#bytes, start, this.#at);
  }

  /** Confines reading to the message that is the field's value; leave() takes what this returns. */
  enter(): number {
    this.#expect(DELIMITED);
    const outerEnd = this.#end;
    const length = this.#length();
    this.#end = this.#at + length;
    return outerEnd;
  }

  /** Ends what enter() began. */
  leave(outerEnd: number): void {
    this.#at = this.#end;
    this.#end = outerEnd;
  }

  /** Goes past a delimited value; where it begins. */
  #delimited(): number {
    this.#expect(DELIMITED);
    return this.#take(this.#length());
  }

  /** The length of a delimited value, which is all there. */
  #length(): number {
    const length = this.#varint();
    if (this.#high !== 0 || length < 0 || length > this.#end - this.#at)
      throw this.#error(`a value within the ${this.#end - this.#at} bytes that are left`, 'a longer one');
    return length;
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) throw this.#error(`${length} bytes`, `${this.#end - start}`);
    this.#at = start + length;
    return start;
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType) throw this.#error(`wire type ${wireType}`, String(this.#wireType));
  }

  /** The lower 32 bits, signed as they are; the upper ones are in #high. */
  #varint(): number {
    const first = this.#byte();
    this.#high = 0;
    if (first < 0x80) return first;
    let low = first & 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      if (shift < 32) low |= bits << shift;
      if (shift === 28) this.#high = bits >> 4;
      else if (shift > 28) this.#high |= bits << (shift - 32);
      if (shift === 63 && byte > 1) break;
      if (byte < 0x80) return low;
    }
    throw this.#error('a number of at most 64 bits', 'a longer one');
  }

  #byte(): number {
    if (this.#at >= this.#end) throw this.#error('more bytes', 'the end');
    return this.#bytes[this.#at++] ?? 0;
  }

  #error(expected: string, found: string): Error {
    return new TypeError(`read protobuf at byte ${this.#at}: expected ${expected}, found ${found}`);
  }
}

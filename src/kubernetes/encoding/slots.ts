/**
 * A table in which each value has one slot, and the next value with that slot takes it over: so what is gone leaves by and by,
 * and the table is never larger than what it was made for. What loses its slot is not lost, only no longer shared.
 */
export class Slots<V> {
  #slots: (V | undefined)[];
  /** Of the size that the table had before: what is found there moves over, and nothing has to be moved at once. */
  #before: (V | undefined)[] = [];
  /** So many more values come before nothing of what was before is worth a look. */
  #open = 0;

  /** @param size a power of two */
  constructor(size: number) {
    this.#slots = emptySlots(size);
  }

  get size(): number {
    return this.#slots.length;
  }

  /** @param size a power of two */
  resize(size: number): void {
    if (size === this.size) return;
    this.#before = this.#slots;
    this.#open = size;
    this.#slots = emptySlots(size);
  }

  /** What may be the value with that hash: whoever asks compares. */
  get(hash: number): V | undefined {
    return this.#slots[slotOf(hash, this.#slots.length)];
  }

  /** The same of the size before. */
  getBefore(hash: number): V | undefined {
    return this.#before.length === 0 ? undefined : this.#before[slotOf(hash, this.#before.length)];
  }

  put(hash: number, value: V): V {
    this.#slots[slotOf(hash, this.#slots.length)] = value;
    if (this.#open > 0 && --this.#open === 0) this.#before = [];
    return value;
  }
}

function emptySlots<V>(size: number): (V | undefined)[] {
  return new Array<V | undefined>(size).fill(undefined);
}

/** The lower bits of such a hash know only the lower bits of its input: the upper ones are mixed in. */
function slotOf(hash: number, slots: number): number {
  return (hash ^ (hash >>> 15)) & (slots - 1);
}

/**
 * Texts that repeat (namespaces, node names, images, statuses, label keys and the labels of a whole workload) are kept
 * once. The table is bounded by its form: each text has one slot, and the next text with that slot takes it over. What
 * loses its slot is not lost, only no longer shared. Bytes are looked up before they are decoded.
 */
const SLOTS = 1 << 14;
/** Longer ones hardly repeat, and would make a full table heavy: at most 2 MB as it is. */
const LONGEST = 128;
/** Text in a map that is shared; a bound for the same reason. */
const LONGEST_MAP = 512;

const texts = new Array<string>(SLOTS).fill('');
const maps = new Array<ReadonlyMap<string, string> | undefined>(SLOTS / 4).fill(undefined);

/** For every map without entries. */
export const NO_STRINGS: ReadonlyMap<string, string> = new Map();
/** For every list without entries. */
export const NONE: readonly never[] = Object.freeze([]);

/** The text of some bytes in UTF-8. */
export function sharedBytes(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return '';
  if (length > LONGEST) return bytes.toString('utf8', start, end);
  let hash = length;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte > 127) return bytes.toString('utf8', start, end);
    hash = mix(hash, byte);
  }
  const slot = slotOf(hash, SLOTS);
  const known = texts[slot] ?? '';
  if (known.length === length && isText(known, bytes, start)) return known;
  return (texts[slot] = bytes.toString('latin1', start, end));
}

/** The same text, as the object that is kept already. */
export function sharedText(text: string): string {
  if (text === '' || text.length > LONGEST) return text;
  const slot = slotOf(hashOf(text, text.length), SLOTS);
  return texts[slot] === text ? texts[slot] : (texts[slot] = text);
}

/** The same map, as the object that is kept already. */
export function sharedMap(map: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (map.size === 0) return NO_STRINGS;
  let hash = map.size;
  let length = 0;
  for (const [key, value] of map) {
    if ((length += key.length + value.length) > LONGEST_MAP) return map;
    hash = hashOf(value, hashOf(key, hash));
  }
  const slot = slotOf(hash, maps.length);
  const known = maps[slot];
  return known && isSame(known, map) ? known : (maps[slot] = map);
}

/** FNV-1a, over bytes or what ASCII text has instead. */
function mix(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x0100_0193);
}

function hashOf(text: string, seed: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = mix(hash, text.charCodeAt(at));
  return hash;
}

/** The lower bits of such a hash know only the lower bits of its input: the upper ones are mixed in. */
function slotOf(hash: number, slots: number): number {
  return (hash ^ (hash >>> 15)) & (slots - 1);
}

function isText(text: string, bytes: Buffer, start: number): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) !== bytes[start + at]) return false;
  return true;
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}

/** What `of` makes of the entries, without those of which it makes nothing: a list to keep, with no room to grow. */
export function keepEach<A, B>(list: readonly A[], of: (entry: A) => B | undefined): readonly B[] {
  if (list.length === 0) return NONE;
  const all = list.map(of);
  if (!all.includes(undefined)) return all as readonly B[];
  const some = all.filter((entry) => entry !== undefined);
  return some.length === 0 ? NONE : some.slice();
}

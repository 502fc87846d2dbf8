import { Slots } from './slots.ts';

/**
 * Texts that repeat (namespaces, node names, images, statuses, label keys and the labels of a whole workload) are kept
 * once. The tables are as large as what is kept of Kubernetes needs, and no larger; see Slots. Bytes are looked up before
 * they are decoded.
 */
const FEWEST_SLOTS = 1 << 14;
const MOST_SLOTS = 1 << 20;
/** A pod has two or three texts that are not those of the pod before it: its node, and the times of its workload. */
const SLOTS_OF_AN_OBJECT = 2;
/** Longer ones hardly repeat, and would make a full table heavy. */
const LONGEST = 128;
/** Text in a map that is shared; a bound for the same reason. */
const LONGEST_MAP = 512;
/** Texts for a map. */
const TEXTS_OF_A_MAP = 4;

const texts = new Slots<string>(FEWEST_SLOTS);
const maps = new Slots<ReadonlyMap<string, string>>(FEWEST_SLOTS / TEXTS_OF_A_MAP);
let objects = 0;

/** So many objects more are kept of Kubernetes, or with a negative number fewer: the tables have room for what they share. */
export function keepMore(count: number): void {
  objects += count;
  const wanted = objects * SLOTS_OF_AN_OBJECT;
  // Between the two bounds it stays as it is, or a single object that comes and goes would have it remade each time.
  let size = texts.size;
  while (size < wanted && size < MOST_SLOTS) size *= 2;
  while (size > wanted * 4 && size > FEWEST_SLOTS) size /= 2;
  texts.resize(size);
  maps.resize(size / TEXTS_OF_A_MAP);
}

/** How many objects are kept. */
export function keptObjects(): number {
  return objects;
}

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
  const known = texts.get(hash);
  if (known?.length === length && isText(known, bytes, start)) return known;
  const before = texts.getBefore(hash);
  const isKnown = before?.length === length && isText(before, bytes, start);
  return texts.put(hash, isKnown ? before : bytes.toString('latin1', start, end));
}

/** The same text, as the object that is kept already. */
export function sharedText(text: string): string {
  if (text === '' || text.length > LONGEST) return text;
  const hash = hashOf(text, text.length);
  const known = texts.get(hash);
  if (known === text) return known;
  const before = texts.getBefore(hash);
  return texts.put(hash, before === text ? before : text);
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
  const known = maps.get(hash);
  if (known && isSame(known, map)) return known;
  const before = maps.getBefore(hash);
  return maps.put(hash, before && isSame(before, map) ? before : map);
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

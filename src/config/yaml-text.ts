import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml';
import { describe, isObject, type JsonObject } from '../json.ts';

/** One thing that is wrong with a text. */
export interface Mistake {
  /** Like `line 3, column 5`; undefined for what is not in the text. */
  readonly place: string | undefined;
  /** What was expected, and what was found. */
  readonly message: string;
}

/** A YAML text, as far as it can be read. */
export interface YamlText {
  /** Undefined when nothing of it can be believed. */
  readonly value: JsonObject | undefined;
  readonly mistakes: readonly Mistake[];
  /**
   * Where a setting is, or else the nearest thing around it: that of its value, or of its key for `key`.
   * Undefined for what the text does not mention at all.
   */
  placeOf(path: readonly PropertyKey[], of: 'value' | 'key'): string | undefined;
}

/** A handful of aliases is plenty for a file of this size; more is a decompression bomb. */
const MOST_ALIASES = 10;

export function readYaml(text: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { uniqueKeys: true, lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  const mistakes = document.errors.map(({ pos: [offset], message }): Mistake => {
    return { place: at(offset), message: `expected valid YAML, found: ${message}` };
  });
  const placeOf: YamlText['placeOf'] = (path, of) => {
    const offset = offsetOf(document, path, of);
    return offset === undefined ? undefined : at(offset);
  };
  // Of a key that stands there twice the rest of the text can be judged all the same.
  const isReadable = document.errors.every(({ code }) => code === 'DUPLICATE_KEY');
  const read = isReadable ? toObject(document) : undefined;
  if (typeof read === 'string') mistakes.push({ place: undefined, message: `(top level): ${read}` });
  return { value: typeof read === 'string' ? undefined : read, mistakes, placeOf };
}

/** The settings, or the words for what is wrong. Aliases are resolved here and not by the parser. */
function toObject(document: Document.Parsed): JsonObject | string {
  try {
    const value: unknown = document.toJS({ maxAliasCount: MOST_ALIASES });
    if (value === null || value === undefined) return {};
    return isObject(value) ? value : `expected a mapping of settings, found ${describe(value)}`;
  } catch (cause) {
    return `expected valid YAML, found: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], of: 'value' | 'key'): number | undefined {
  let node: unknown = document.contents;
  let key: unknown;
  for (const [depth, step] of path.entries()) {
    const entry = entryAt(node, step);
    // What is missing in a section is a mistake of the section; what is missing at the top is nowhere.
    if (!entry) return depth === 0 ? undefined : startOf(key);
    ({ key, value: node } = entry);
    if (isAlias(node)) break;
  }
  return of === 'key' ? startOf(key) : (startOf(node) ?? startOf(key));
}

/** An entry of a mapping or a list; an item of a list is its own key. */
function entryAt(node: unknown, step: PropertyKey): { readonly key: unknown; readonly value: unknown } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? undefined : { key: item, value: item };
  }
  if (!isMap(node)) return undefined;
  const isIt = ({ key }: Pair) => isScalar(key) && String(key.value) === String(step);
  return node.items.findLast(isIt);
}

function startOf(node: unknown): number | undefined {
  return (node as Partial<Node> | null | undefined)?.range?.[0];
}

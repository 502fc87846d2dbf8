/** What a list of the status page is made of: a row for each key. */
export interface Listing<Row> {
  /** In any order. */
  keys(): Iterable<string>;
  /** What a search for that key looks at, in any case. */
  text(key: string): string;
  /** Undefined for what is gone meanwhile. */
  row(key: string): Row | undefined;
}

/** One thing that somebody has to mend, or may want to know of. */
export interface Attention {
  readonly direction: 'to-consul' | 'to-kubernetes';
  /**
   * - failing: the last try did not work out, the next one comes by itself;
   * - rejected: what was asked cannot be done, or a right is missing;
   * - held: an instance that stays although it is not wanted as it is.
   */
  readonly kind: 'failing' | 'rejected' | 'held';
  /** With its kind: `Pod shop/orders-1`. */
  readonly object: string;
  readonly why: string;
}

/** The list of what is given, which is asked for again with the keys. */
export function listAttention(given: () => Iterable<Attention>): Listing<Attention> {
  let rows: ReadonlyMap<string, Attention> = new Map();
  return {
    keys: () => {
      rows = new Map([...given()].map((one) => [[one.kind, one.object, one.direction, one.why].join('\n'), one]));
      return rows.keys();
    },
    text: (key) => key,
    row: (key) => rows.get(key),
  };
}

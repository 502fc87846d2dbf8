const KINDS = ['Pod', 'EndpointSlice', 'Service'];

/** When the last of the kinds was complete, as the log says it; undefined while one is missing. */
export function readCompletelyAt(lines: readonly string[]): number | undefined {
  const records = lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as { message?: string; kind?: string; timestamp?: string }];
    } catch {
      return []; // not a record: a warning of Node's own
    }
  });
  const times = KINDS.map(
    (kind) => records.find((record) => record.message === 'read completely' && record.kind === kind)?.timestamp,
  );
  const known = times.filter((time) => time !== undefined).map((time) => Date.parse(time));
  return known.length === KINDS.length ? Math.max(...known) : undefined;
}

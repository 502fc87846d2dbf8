import type { Log } from '../../src/observability/log.ts';

/** Records of a log, as `level message`. */
export function recordingLog(): { readonly records: string[]; readonly log: Log } {
  const records: string[] = [];
  const write = (level: string) => (message: string) => void records.push(`${level} ${message}`);
  return { records, log: { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') } };
}

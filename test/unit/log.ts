import type { Fields, Log } from '../../src/observability/log.ts';

/** A log that nobody reads. */
export const QUIET: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};

/** A log that remembers. */
export class TestLog implements Log {
  readonly records: { readonly level: keyof Log; readonly message: string; readonly fields: Fields }[] = [];
  readonly error = this.#at('error');
  readonly warn = this.#at('warn');
  readonly info = this.#at('info');
  readonly debug = this.#at('debug');

  /** The messages of one level. */
  of(level: keyof Log): string[] {
    return this.records.filter((record) => record.level === level).map(({ message }) => message);
  }

  #at(level: keyof Log) {
    return (message: string, fields: Fields = {}) => void this.records.push({ level, message, fields });
  }
}

/** Records of a log, as `level message`. */
export function recordingLog(): { readonly records: string[]; readonly log: Log } {
  const records: string[] = [];
  const write = (level: string) => (message: string) => void records.push(`${level} ${message}`);
  return { records, log: { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') } };
}

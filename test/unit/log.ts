import type { Fields, Log } from '../../src/observability/log.ts';

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

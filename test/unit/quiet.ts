import type { Log } from '../../src/observability/log.ts';

/** A log that nobody reads. */
export const QUIET: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};

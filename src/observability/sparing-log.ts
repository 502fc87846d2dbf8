import { inBackground } from '../background.ts';
import { sleep } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { Fields, Log } from './log.ts';

type Level = 'error' | 'warn' | 'info';

/** Of what repeats itself there is one record in this time. */
const GAP_MS = 30_000;

/** What has repeated a record since that was written. */
interface Repeats {
  count: number;
  last: Fields;
}

/**
 * A log in which many failures for one reason are few records. The first is written at once. What repeats it within 30 s is
 * written for `debug` only; then the last of these is written, with their number in the field `more`, and so on until nothing
 * has repeated it for 30 s.
 *
 * A record repeats another when both have the same level, message, direction and source, and errors of the same kind. The
 * messages of errors name objects, so the kind is the class and the status of the error and of its causes. A warning without
 * an error (of a rejected pod, say) repeats nothing.
 */
export function sparingLog(log: Log, clock: Clock, signal: AbortSignal): Log {
  const repeats = new Map<string, Repeats>();

  const at =
    (level: Level) =>
    (message: string, fields: Fields = {}) => {
      if (level !== 'info' && fields.error === undefined) return log[level](message, fields);
      const reason = [level, message, fields.direction, fields.source, kindOf(fields.error)].join('\n');
      const known = repeats.get(reason);
      if (known) {
        known.count++;
        known.last = fields;
        return log.debug(message, fields);
      }
      log[level](message, fields);
      inBackground(writeRepeats(reason, (last, more) => log[level](message, { ...last, more })));
    };

  async function writeRepeats(reason: string, write: (last: Fields, more: number) => void): Promise<void> {
    let since: Repeats;
    do {
      since = { count: 0, last: {} };
      repeats.set(reason, since);
      await sleep(GAP_MS, signal, clock);
      if (since.count > 0) write(since.last, since.count);
    } while (since.count > 0 && !signal.aborted);
    repeats.delete(reason);
  }

  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: (message, fields) => log.debug(message, fields),
  };
}

/** The classes of an error and of its causes, with what the server or the system said as a number or code. */
function kindOf(error: unknown): string {
  const kinds: string[] = [];
  for (let cause = error; cause instanceof Error && kinds.length < 8; cause = cause.cause) {
    const { name, status, code } = cause as Error & { readonly status?: number; readonly code?: string };
    kinds.push([name, status, code].filter((part) => part !== undefined).join(' '));
  }
  return kinds.join(': ');
}

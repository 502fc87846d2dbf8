import { open, stat } from 'node:fs/promises';
import { sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../observability/log.ts';

export interface ControlFileOptions {
  readonly path: string;
  /** Told the lines that the file did not have at the last look. */
  readonly onLines: (text: string) => void;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** By look, not by notification: a file that is mounted is replaced by a link, or is on a file system that tells nothing. */
const LOOK_MS = 1000;
/** A few thousand lines; whatever is longer is another file. */
const LONGEST_BYTES = 64 * 1024;

/**
 * Looks every second whether the file was written. A line counts once, when it comes: what is in the file when this begins was
 * written for a process before this one, and a line that stays would release what is retained later under the same hash.
 */
export async function followControlFile({ path, onLines, log, clock, signal }: ControlFileOptions): Promise<void> {
  let seen: string | undefined;
  let lines: ReadonlySet<string> | undefined;
  let failure: string | undefined;
  for (; !signal.aborted; await sleep(LOOK_MS, signal, clock)) {
    try {
      const found = await stampOf(path);
      if (lines === undefined || found !== seen) {
        const before = lines;
        lines = new Set(found === undefined ? [] : (await textOf(path)).split('\n').filter(Boolean));
        const fresh = [...lines].filter((line) => before?.has(line) === false);
        if (fresh.length > 0) onLines(fresh.join('\n'));
        else if (before === undefined && found !== undefined)
          log.info('the control file counts from its next change on', { path });
      }
      seen = found;
      failure = undefined;
    } catch (error) {
      const why = String(error);
      if (why !== failure) log.warn('the control file cannot be read, will look again', { path, error });
      failure = why;
    }
  }
}

/** Changes whenever the file is written; undefined where there is none. */
async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { mtimeNs, ino, size } = await stat(path, { bigint: true });
    return `${mtimeNs} ${ino} ${size}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function textOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > LONGEST_BYTES)
      throw new Error(`read control file ${path}: expected at most ${LONGEST_BYTES} bytes, found ${size}`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

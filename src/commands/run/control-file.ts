import { open, stat } from 'node:fs/promises';
import { sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../observability/log.ts';

export interface ControlFileOptions {
  readonly path: string;
  /** Told the content whenever the file was written since the last look, also when it says the same again. */
  readonly onContent: (text: string) => void;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** By look, not by notification: a file that is mounted is replaced by a link, or is on a file system that tells nothing. */
const LOOK_MS = 1000;
/** A few thousand lines; whatever is longer is another file. */
const LONGEST_BYTES = 64 * 1024;

/**
 * Looks every second whether the file was written. What is in it when this begins was written for a process before this one,
 * and is passed over: nothing is released by a restart.
 */
export async function followControlFile({ path, onContent, log, clock, signal }: ControlFileOptions): Promise<void> {
  let seen: string | undefined;
  let isFirst = true;
  let failure: string | undefined;
  for (; !signal.aborted; await sleep(LOOK_MS, signal, clock)) {
    try {
      const found = await stampOf(path);
      if (isFirst && found !== undefined) log.info('the control file counts from its next change on', { path });
      else if (found !== undefined && found !== seen) onContent(await textOf(path));
      seen = found;
      isFirst = false;
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

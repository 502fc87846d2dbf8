import { open, stat } from 'node:fs/promises';
import { sleep } from '../../backoff.ts';
import type { Clock } from '../../clock.ts';

export interface FollowFileOptions {
  readonly path: string;
  /** Of what, for an error. */
  readonly what: string;
  /** A longer file is an error. */
  readonly longestBytes: number;
  readonly lookMs: number;
  /**
   * Whether this text counts only when the file is the same at two looks, because it may be half written at the first. Of the
   * very first look any text counts. @default none
   */
  readonly mayBeHalf?: (text: string | undefined) => boolean;
  /** Told at the first look, and whenever the file was written; undefined where there is none. What it throws counts as a failure. */
  readonly onText: (text: string | undefined) => void;
  /** Told once for each reason; the file is looked at again all the same, and read again. */
  readonly onFailure: (error: unknown) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Looks again and again whether a file was written. By look, not by notification: a file that is mounted is replaced by a link, or
 * is on a file system that tells nothing. What could not be read or was refused is told again when it can, also when it is as before.
 */
export async function followFile(options: FollowFileOptions): Promise<void> {
  const { path, lookMs, mayBeHalf = () => false, onText, onFailure, clock, signal } = options;
  /** Of what was told; null before that. */
  let told: string | undefined | null = null;
  /** At the look before. */
  let before: string | undefined;
  let failure: string | undefined;
  for (let isFirst = true; !signal.aborted; isFirst = false, await sleep(lookMs, signal, clock)) {
    try {
      const found = await stampOf(path);
      if (found !== told || failure !== undefined) {
        const text = found === undefined ? undefined : await textOf(options);
        const isSteady = isFirst || found === before;
        // Written while it was read, it is another file at the next look.
        if (!mayBeHalf(text) || (isSteady && found === (await stampOf(path)))) {
          before = found;
          onText(text);
          told = found;
          failure = undefined;
        }
      }
      before = found;
    } catch (error) {
      const why = String(error);
      if (why !== failure) onFailure(error);
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

async function textOf({ path, what, longestBytes }: FollowFileOptions): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > longestBytes)
      throw new Error(`read ${what} ${path}: expected at most ${longestBytes} bytes, found ${size}`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

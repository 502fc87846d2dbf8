import type { Clock } from '../../clock.ts';
import type { Log } from '../../observability/log.ts';
import { readSwitch } from '../../writes.ts';
import { followFile } from './follow-file.ts';

/**
 * The control file, which whoever runs Consular without an election writes:
 *
 * | a line                    | counts                                                                                |
 * |---------------------------|---------------------------------------------------------------------------------------|
 * | `writes off`, `writes on` | as long as it stands in the file, from the start on; of several the strongest, off    |
 * | any other: a hash         | once, when it comes                                                                   |
 *
 * What hashes are in the file at first was written for a process before this one, and a line that stays would release what is
 * retained later under the same hash. A file that cannot be read or is away says of writes what it said last; on
 * counts when the file is the same at two looks, since a file that is being rewritten is empty in between.
 */
interface FollowedControlFile {
  readonly path: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface ControlFileOptions extends FollowedControlFile {
  /** Told the lines that the file did not have at the last look, without those of the switch. */
  readonly onLines: (text: string) => void;
}

const LOOK_MS = 1000;
/** A few thousand lines; whatever is longer is another file. */
const LONGEST_BYTES = 64 * 1024;

/** Tells the hashes that come. */
export async function followControlFile({ onLines, ...file }: ControlFileOptions): Promise<void> {
  const { path, log } = file;
  let lines: ReadonlySet<string> | undefined;
  await followFile({
    ...{ ...file, what: 'control file', longestBytes: LONGEST_BYTES, lookMs: LOOK_MS },
    onText: (text = '') => {
      const before = lines;
      lines = new Set(text.split('\n').filter((line) => line !== '' && !SWITCH.test(line)));
      const fresh = [...lines].filter((line) => before?.has(line) === false);
      if (fresh.length > 0) onLines(fresh.join('\n'));
      else if (before === undefined && lines.size > 0)
        log.info('the hashes in the control file count from its next change on', { path });
    },
    onFailure: (error) => log.warn('the control file cannot be read, will look again', { path, error }),
  });
}

export interface SwitchFileOptions extends FollowedControlFile {
  /** Told at the first look, and whenever the file was written, what stands behind `writes`; undefined where nothing has said it. */
  readonly onSwitch: (state: string | undefined) => void;
  /** The file could not be read. */
  readonly onFailure: () => void;
}

/** Tells what the file says of writes. */
export async function followSwitchFile({ onSwitch, onFailure, ...file }: SwitchFileOptions): Promise<void> {
  const { path, log } = file;
  let said: string | undefined;
  await followFile({
    ...{ ...file, what: 'control file', longestBytes: LONGEST_BYTES, lookMs: LOOK_MS },
    mayBeHalf: (text = '') => readSwitch(switchIn(text)) === undefined,
    onText: (text) => {
      if (text !== undefined) said = switchIn(text);
      onSwitch(said);
    },
    onFailure: (error) => {
      log.warn('what the control file says of writes cannot be read, it counts as before', { path, error });
      onFailure();
    },
  });
}

/** Whoever stops all writes is in a hurry: `write off` and `Writes: off` are meant as well. */
const SWITCH = /^\s*writes?\b[\s:=]*(.*)$/i;

/** What a control file says of writes: what is not on comes first. */
export function switchIn(text: string): string | undefined {
  const states = text.split('\n').flatMap((line) => SWITCH.exec(line)?.[1]?.trim() ?? []);
  return states.find((state) => state.toLowerCase() !== 'on') ?? states[0];
}

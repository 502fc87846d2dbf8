import { escapeControls } from '../json.ts';
import { byCause } from '../observability/causes.ts';

/** Where somebody is told what a command waits for. */
export interface Progress {
  readonly write: (line: string) => void;
  /** As long as nothing is said: most reads are done by then. 0 at a terminal. @default 1 s */
  readonly quietMs?: number;
}

/** Between two looks at what is missing. */
const LOOK_MS = 1000;
/** As many sources that fail for one cause are named. */
export const MOST_NAMED = 3;

/** Says what is being read and what it waits for, whenever that is something else than before. @returns its end */
export function showProgress({ write, quietMs = LOOK_MS }: Progress, failures: () => readonly string[]): () => void {
  let before = '';
  const look = () => {
    const missing = byCause(failures(), MOST_NAMED);
    const text = missing.length === 0 ? '' : `reading: ${missing.join('; ')}`;
    if (text !== '' && text !== before) write(escapeControls(text));
    before = text;
  };
  let timer = setTimeout(function next() {
    look();
    timer = setTimeout(next, LOOK_MS);
  }, quietMs);
  return () => clearTimeout(timer);
}

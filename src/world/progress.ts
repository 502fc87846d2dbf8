import { escapeControls } from '../json.ts';

/** Where somebody is told what a command waits for. */
export interface Progress {
  readonly write: (line: string) => void;
  /** As long as nothing is said: most reads are done by then. 0 at a terminal. @default 1 s */
  readonly quietMs?: number;
}

/** Between two looks at what is missing. */
const LOOK_MS = 1000;
/** As many sources with one reason are named. */
const MOST_NAMED = 3;

/** Says what is being read and what it waits for, whenever that is something else than before. @returns its end */
export function showProgress({ write, quietMs = LOOK_MS }: Progress, failures: () => readonly string[]): () => void {
  let before = '';
  const look = () => {
    const missing = eachCauseOnce(failures());
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

/**
 * One entry for each reason, with what it keeps from being read.
 * @param failures each `what: reason`, where the reason ends with its first cause after the last `: `
 */
export function eachCauseOnce(failures: readonly string[]): string[] {
  const byCause = new Map<string, string[]>();
  for (const failure of failures) {
    const cause = failure.slice(failure.lastIndexOf(': ') + 2);
    byCause.set(cause, [...(byCause.get(cause) ?? []), failure]);
  }
  return [...byCause].map(([, [first = '', ...others]]) => {
    const names = [first, ...others].map((failure) => failure.slice(0, failure.indexOf(': ')));
    const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
    return `${names.slice(0, MOST_NAMED).join(', ')}${more}: ${first.slice(first.indexOf(': ') + 2)}`;
  });
}

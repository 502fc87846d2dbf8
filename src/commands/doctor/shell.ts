import { escapeControls } from '../../json.ts';

/**
 * A word of a shell command: what others have named must be nothing but a word, on one line, whatever is in it. Control
 * characters are shown in it, as everywhere.
 */
export function word(text: string): string {
  const shown = escapeControls(text);
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", `'\\''`)}'`;
}

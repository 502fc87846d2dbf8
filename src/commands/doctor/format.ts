import { escapeControls, escapeLines } from '../../json.ts';
import type { Finding, Level, Report } from './finding.ts';

const SIGN: Readonly<Record<Level, string>> = {
  ok: 'ok     ',
  warning: 'WARNING',
  error: 'ERROR  ',
  skipped: 'skipped',
};

/** One line for each finding, what mends it below, and a summary. A terminal obeys nothing in it. */
export function formatReport({ cluster, findings, counts }: Report): string {
  const { ok, warning, error, skipped } = counts;
  const summary =
    `Doctor of ${cluster}: ${error} ${error === 1 ? 'error' : 'errors'}, ${warning} ${warning === 1 ? 'warning' : 'warnings'}, ` +
    `${ok} ok, ${skipped} skipped.`;
  return [...findings.map(formatFinding), summary].join('\n');
}

function formatFinding({ id, subject, level, message, fix }: Finding): string {
  const line = escapeControls(`${SIGN[level]} ${id}${subject === '' ? '' : ` ${subject}`}: ${message}`);
  if (fix === undefined) return line;
  // Without an indent, so that it can be copied as it is: what a here-document ends with has to begin its line.
  return `${line}\n${escapeLines(fix)}\n`;
}

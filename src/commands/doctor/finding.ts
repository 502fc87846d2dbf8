/** How something is: `skipped` is what could not be found out because of something else that is wrong, or is not in use. */
export type Level = 'ok' | 'warning' | 'error' | 'skipped';

/** What a check found out about one thing. */
export interface Finding {
  /** What was looked at; the same in every version, for scripts. */
  readonly id: string;
  /** Which one of several: a rule, a namespace, an address; empty where there is only one. */
  readonly subject: string;
  readonly level: Level;
  readonly message: string;
  /** What mends it: commands, or lines of the configuration, with the real names; it may have several lines. */
  readonly fix?: string;
}

export interface Report {
  readonly cluster: string;
  readonly findings: readonly Finding[];
  readonly counts: Readonly<Record<Level, number>>;
}

/** The findings of one check, which share its id. */
export function findingsOf(id: string) {
  const make = (level: Level, message: string, subject = '', fix?: string): Finding => ({
    ...{ id, subject, level, message },
    ...(fix === undefined ? {} : { fix }),
  });
  return {
    ok: (message: string, subject?: string) => make('ok', message, subject),
    skipped: (message: string, subject?: string) => make('skipped', message, subject),
    warning: (message: string, fix: string, subject?: string) => make('warning', message, subject, fix),
    error: (message: string, fix: string, subject?: string) => make('error', message, subject, fix),
    bad: (level: 'warning' | 'error', message: string, fix: string, subject?: string) =>
      make(level, message, subject, fix),
  };
}

export function reportOf(cluster: string, findings: readonly Finding[]): Report {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  const counts = { ok: count('ok'), warning: count('warning'), error: count('error'), skipped: count('skipped') };
  return { cluster, findings, counts };
}

/** 1 with an error, 2 with warnings only, else 0. */
export function exitCodeOf({ counts }: Report): number {
  if (counts.error > 0) return 1;
  return counts.warning > 0 ? 2 : 0;
}

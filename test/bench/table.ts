/** What Consular's figure must not exceed, and how that is said. */
export interface Goal {
  readonly text: string;
  readonly most: number;
}

/** One line of the table. A figure that does not exist for a program is undefined; a title is a row without figures. */
export interface Row {
  readonly what: string;
  readonly floor?: number;
  readonly consular?: number;
  readonly goal?: Goal;
}

/** A row as it is printed, and as it stands in the JSON. */
export interface JudgedRow extends Row {
  /** Consular's figure by the floor's. */
  readonly ratio?: number;
  readonly met?: boolean;
}

export function ratioGoal(most: number, floor: number, ofWhat = 'the floor'): Goal {
  return { text: `at most ${most} x ${ofWhat}`, most: most * floor };
}

export function limitGoal(most: number, text = `at most ${most}`): Goal {
  return { text, most };
}

/** A figure that is missing, or not a number, meets no goal. */
export function judge(row: Row): JudgedRow {
  const { floor, consular, goal } = row;
  return {
    ...row,
    ...(floor !== undefined && floor > 0 && consular !== undefined ? { ratio: consular / floor } : {}),
    ...(goal ? { met: consular !== undefined && consular <= goal.most } : {}),
  };
}

const WIDTHS = [88, 11, 11, 8] as const;

export function formatTable(rows: readonly JudgedRow[]): string {
  const line = (cells: readonly string[], tail = '') =>
    `${cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i] ?? 0))).join('')}${tail}`.trimEnd();
  const body = rows.map(({ what, floor, consular, ratio, goal, met }) =>
    line(
      [what, figure(floor), figure(consular), ratio === undefined ? '' : ratio.toFixed(2)],
      goal ? `   ${verdict(met).padEnd(7)}  ${goal.text}` : '',
    ),
  );
  return `${[line(['', 'floor', 'consular', 'ratio'], '   goal'), ...body].join('\n')}\n`;
}

/** The same for a page of documentation. */
export function formatMarkdown(rows: readonly JudgedRow[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const body = rows.map(({ what, floor, consular, ratio, goal, met }) => {
    const isTitle = floor === undefined && consular === undefined;
    const cells = [
      isTitle ? `**${what}**` : what.trim(),
      figure(floor),
      figure(consular),
      ratio === undefined ? '' : ratio.toFixed(2),
    ];
    return line([...cells, goal?.text ?? '', goal ? verdict(met) : '']);
  });
  const head = [line(['', 'floor', 'Consular', 'ratio', 'goal', '']), '| --- | ---: | ---: | ---: | --- | --- |'];
  return `${[...head, ...body].join('\n')}\n`;
}

function verdict(met: boolean | undefined): string {
  return met ? 'met' : 'not met';
}

/** Three digits that mean something; whole numbers as they are. */
export function figure(value: number | undefined): string {
  if (value === undefined) return '';
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 100 ? 1 : 2);
}

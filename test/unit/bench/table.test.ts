import { describe, expect, it } from '@jest/globals';
import { figure, formatMarkdown, formatTable, judge, limitGoal, ratioGoal } from '../../bench/table.ts';

describe('judging a row', () => {
  it.each([
    ['within the ratio', { floor: 10, consular: 15, goal: ratioGoal(1.5, 10) }, { ratio: 1.5, met: true }],
    ['beyond the ratio', { floor: 10, consular: 15.1, goal: ratioGoal(1.5, 10) }, { ratio: 1.51, met: false }],
    ['at the limit', { floor: 1800, consular: 60, goal: limitGoal(60) }, { ratio: 60 / 1800, met: true }],
    ['nothing where nothing is wanted', { floor: 0, consular: 0, goal: limitGoal(0) }, { ratio: undefined, met: true }],
    ['a figure that is missing', { floor: 10, goal: limitGoal(60) }, { ratio: undefined, met: false }],
    ['a figure that is no number', { consular: NaN, goal: limitGoal(60) }, { ratio: undefined, met: false }],
    ['no goal', { floor: 10, consular: 20 }, { ratio: 2, met: undefined }],
  ])('%s', (_, row, { ratio, met }) => {
    const judged = judge({ what: 'x', ...row });
    expect(judged.met).toBe(met);
    if (ratio === undefined) expect(judged.ratio).toBeUndefined();
    else expect(judged.ratio).toBeCloseTo(ratio);
  });
});

describe('the table', () => {
  const rows = [
    { what: 'first fill' },
    { what: '  ms', floor: 2000.4, consular: 3000, goal: ratioGoal(1.15, 2000.4) },
    { what: '  transactions', consular: 161 },
    { what: '  Raft entries', consular: 0, goal: limitGoal(0, '0') },
  ].map(judge);

  it('has a line for each row, with the goal and whether it is met', () => {
    expect(formatTable(rows).replaceAll(/ {2,}/g, ' | ').split('\n')).toEqual([
      ' | floor | consular | ratio | goal',
      'first fill',
      ' | ms | 2000 | 3000 | 1.50 | not met | at most 1.15 x the floor',
      ' | transactions | 161',
      ' | Raft entries | 0 | met | 0',
      '',
    ]);
  });

  it('is the same as Markdown, with titles in bold', () => {
    expect(formatMarkdown(rows).split('\n')).toEqual([
      '|  | floor | Consular | ratio | goal |  |',
      '| --- | ---: | ---: | ---: | --- | --- |',
      '| **first fill** |  |  |  |  |  |',
      '| ms | 2000 | 3000 | 1.50 | at most 1.15 x the floor | not met |',
      '| transactions |  | 161 |  |  |  |',
      '| Raft entries |  | 0 |  | 0 | met |',
      '',
    ]);
  });

  it.each([
    [undefined, ''],
    [0, '0'],
    [12, '12'],
    [1.2345, '1.23'],
    [123.456, '123.5'],
    [12345.6, '12346'],
    [NaN, 'NaN'],
  ])('writes %p as "%s"', (value, text) => {
    expect(figure(value)).toBe(text);
  });
});

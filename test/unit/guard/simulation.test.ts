import { afterAll, describe, expect, it } from '@jest/globals';
import { HISTORIES } from './histories.ts';

/**
 * What happens to clusters, played with a given clock, and what the breaker makes of it. The table that this prints is why its
 * numbers are what they are:
 *
 * - **A minute**: what one fault takes away shows within it (a node's pods become NotReady together, 40 s after its last sign
 *   of life; 500 pods in a second and a half), while a rollout, a drain and a team that stops machines one by one take longer,
 *   or are deletions, which do not count.
 * - **More than half**: of three zones one may fail, of two pods of each kind one. Where two of three zones fail it trips, and
 *   nothing is retained all the same, because the third zone serves.
 * - **More than 20**: a workload whose pods all crash at once is no rare thing while there are few of them (a wrong setting, a
 *   database that is away), and NotReady is what its team wants then. With 20 pods all of them may go.
 *
 * Lost: members lost by nobody's doing, at the most at a time. Gone: those that leave, of all that became of it at the end.
 */

const table: string[][] = [['history', 'members', 'lost', 'tripped', 'retained', 'gone']];

describe.each(HISTORIES)('$what', ({ what, sizes, play, trips, retains, isMirrored }) => {
  it.each(sizes)('with %s', (size) => {
    const world = play(size).end();
    const retained = world.retained(!isMirrored);
    table.push(
      [what, size, world.mostLost, world.hasTripped ? 'yes' : '', retained, world.lost - retained].map(String),
    );
    if (trips === 'never') expect(world.hasTripped).toBe(false);
    if (typeof trips === 'number') expect(world.hasTripped).toBe(size >= trips);
    expect(retained > 0).toBe(retains && world.hasTripped);
  });
});

afterAll(() => {
  const widths = table[0]?.map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  process.stdout.write(`\n${table.map(line).join('\n')}\n`);
});

import type { PerPart } from '../cpu.ts';
import { median } from '../quantiles.ts';
import { judge, limitGoal, type JudgedRow, type Row } from '../table.ts';
import type { Figures, Measured } from './index.ts';
import { CLASSES, type Class } from './pods.ts';
import { both, within } from './row.ts';
import { idle, replacement, restart } from './rows-of-table-size.ts';

/** Peak memory that has a goal of its own beside the floor's, in MiB, by the number of pods. */
const MOST_MEMORY: ReadonlyMap<number, number> = new Map([[50_000, 300]]);
const FLOOR_MEMORY_PODS = 10_000;

/** The table: every figure of this run that has a goal, and those that explain them. */
export function judgeFigures(figures: readonly Figures[], tableSize: number): JudgedRow[] {
  const table = figures.find(({ pods }) => pods === tableSize);
  if (!table) throw new Error(`make the table: expected figures at ${tableSize} pods, found none`);
  return [...figures.flatMap(visibility), ...figures.flatMap(costs), ...fills(table)]
    .concat(restart(table), idle(table), replacement(table), memory(figures))
    .map(judge);
}

/** CPU of those parts that have no goal. */
export function ofServers(figures: Figures, unit: string, of: (measured: Measured) => PerPart): Row[] {
  return [
    both(figures, `  CPU of the API server, ${unit}`, (measured) => of(measured).apiServer),
    both(figures, `  CPU of etcd, ${unit}`, (measured) => of(measured).etcd),
  ];
}

function visibility(figures: Figures): Row[] {
  const { n } = figures.consular.life.seen.visibleMs;
  const row = (q: 'p50' | 'p90' | 'p99' | 'max') => both(figures, `  ${q}, ms`, ({ life }) => life.seen.visibleMs[q]);
  const cpu = ({ life }: Measured) => life.seen.cpuMs;
  return [
    { what: `Ready to visible, ${figures.pods} pods: ${n} changes, 20 a second, from the end of the first fill on` },
    within(1.5, row('p50')),
    row('p90'),
    within(1.5, row('p99')),
    row('max'),
    both(figures, "  p50 of the API server's write, in the above, ms", ({ life }) => life.seen.writeMs.p50),
    both(figures, '  CPU of Consul, ms a change, with what shows it', (of) => cpu(of).consul),
    both(figures, '  own CPU, ms a change', (of) => cpu(of).subject),
    ...ofServers(figures, 'ms a change', cpu),
  ];
}

function costs(figures: Figures): Row[] {
  return CLASSES.flatMap((size) => costOf(figures, size));
}

function costOf(figures: Figures, size: Class): Row[] {
  const cpu = ({ life }: Measured) => life.costs[size].cpuMs;
  const pods = size === 1 ? '1 pod' : `${size} pods`;
  return [
    { what: `one change, ${figures.pods} pods, 20 a second, of a service with ${pods}` },
    within(
      1.5,
      both(figures, '  CPU of Consul, ms', (of) => cpu(of).consul),
    ),
    within(
      2,
      both(figures, '  own CPU, ms', (of) => cpu(of).subject),
    ),
    ...ofServers(figures, 'ms', cpu),
    both(figures, '  Raft entries', ({ life }) => life.costs[size].raftEntries),
  ];
}

function fills(table: Figures): Row[] {
  const mid = (of: (fill: Measured['fills'][number]) => number) => (measured: Measured) =>
    median(measured.fills.map(of));
  const row = (what: string, of: (fill: Measured['fills'][number]) => number) => both(table, what, mid(of));
  const cpu = ({ fills: all }: Measured): PerPart => ({
    subject: median(all.map(({ spent }) => spent.subject)),
    consul: median(all.map(({ spent }) => spent.consul)),
    apiServer: median(all.map(({ spent }) => spent.apiServer)),
    etcd: median(all.map(({ spent }) => spent.etcd)),
  });
  return [
    { what: `first fill of an empty Consul, ${table.pods} pods, median of ${table.consular.fills.length}` },
    within(
      1.5,
      both(table, '  own CPU, s', (of) => cpu(of).subject),
    ),
    within(
      1.15,
      both(table, '  CPU of Consul, s', (of) => cpu(of).consul),
    ),
    ...ofServers(table, 's', cpu),
    within(
      1.2,
      row('  wall, ms', ({ filledMs }) => filledMs),
    ),
    within(
      0.65,
      row("  views complete (the floor's paged list), ms", ({ readMs }) => readMs),
    ),
    row('  transactions', ({ transactions }) => transactions),
    row('  Raft entries', ({ raftEntries }) => raftEntries),
    row('  peak resident memory, MiB', ({ peakMiB }) => peakMiB),
  ];
}

function memory(figures: readonly Figures[]): Row[] {
  const rows = figures.map((each) => {
    const row = both(each, `  ${each.pods} pods, MiB`, ({ life }) => life.peakMiB);
    const most = MOST_MEMORY.get(each.pods);
    if (most !== undefined) return { ...row, goal: limitGoal(most, `at most ${most} MiB`) };
    return each.pods === FLOOR_MEMORY_PODS ? within(1, row) : row;
  });
  return [{ what: 'peak resident memory of a life' }, ...rows];
}

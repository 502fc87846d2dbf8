import { median } from '../quantiles.ts';
import { judge, limitGoal, ratioGoal, type JudgedRow, type Row } from '../table.ts';
import type { Figures, Measured } from './index.ts';

/** "Flat" has to be a number: the cost of a change at the largest size, by that at the smallest. */
const FLAT = 1.5;
const MOST_MEMORY = 1.2;
/** Where memory has a goal of its own beside the size of the table. */
const LARGE = 50_000;

/** The table: every figure of this run that has a goal, and those that explain them. */
export function judgeFigures(figures: readonly Figures[], tableSize: number): JudgedRow[] {
  const table = figures.find(({ pods }) => pods === tableSize);
  if (!table) throw new Error(`make the table: expected figures at ${tableSize} pods, found none`);
  return [...visibility(table), ...fills(table), ...restart(table), ...replacement(table), ...idle(table)]
    .concat(total(table), memory(figures, tableSize), costOfChange(figures))
    .map(judge);
}

/** A row from the same figure of both programs. */
function both({ floor, consular }: Figures, what: string, of: (measured: Measured) => number): RatioRow {
  return { what, floor: of(floor), consular: of(consular) };
}

type RatioRow = Row & { readonly floor: number; readonly consular: number };

function within(ratio: number, row: RatioRow): Row {
  return { ...row, goal: ratioGoal(ratio, row.floor) };
}

function visibility(table: Figures): Row[] {
  const { n } = table.consular.life.changes.visibleMs;
  const row = (q: 'p50' | 'p90' | 'p99' | 'max') => both(table, `  ${q}, ms`, ({ life }) => life.changes.visibleMs[q]);
  return [
    { what: `pod Ready to visible in Consul, ${n} changes, 20 a second` },
    within(1.5, row('p50')),
    row('p90'),
    within(1.5, row('p99')),
    row('max'),
    both(table, "  p50 of the API server's write, in the above, ms", ({ life }) => life.changes.writeMs.p50),
    both(table, '  transactions', ({ life }) => life.changes.transactions),
    both(table, '  Raft entries', ({ life }) => life.changes.raftEntries),
  ];
}

function fills(table: Figures): Row[] {
  const of = (what: string, field: keyof Measured['fills'][number]) =>
    both(table, what, (measured) => median(measured.fills.map((fill) => fill[field])));
  return [
    { what: `start with an empty Consul, median of ${table.consular.fills.length}` },
    within(0.5, of("  views complete (the floor's paged list of pods), ms", 'readMs')),
    within(1, of('  first fill, ms', 'filledMs')),
    of('  transactions', 'transactions'),
    of('  Raft entries', 'raftEntries'),
    of('  CPU, seconds', 'cpuSeconds'),
    of('  peak memory, MiB', 'peakMiB'),
  ];
}

function restart({ floor, consular }: Figures): Row[] {
  const { restarts } = consular.life;
  const listed = median(floor.fills.map(({ readMs }) => readMs));
  const most = (field: keyof (typeof restarts)[number]) => Math.max(...restarts.map((each) => each[field]));
  return [
    { what: `restart with nothing changed, median of ${restarts.length}` },
    { what: '  catalog writes, most', consular: most('catalogWrites'), goal: limitGoal(0, '0') },
    { what: '  Raft entries, most', consular: most('raftEntries') },
    { what: '  views complete, ms', consular: median(restarts.map(({ readMs }) => readMs)) },
    within(1.5, {
      what: "  ready (the floor's paged list of pods), ms",
      floor: listed,
      consular: median(restarts.map(({ readyMs }) => readyMs)),
    }),
  ];
}

function replacement(table: Figures): Row[] {
  const of = (what: string, field: keyof NonNullable<Measured['replacement']>) =>
    both(table, what, (measured) => measured.replacement?.[field] ?? NaN);
  return [
    { what: '900 pods replaced, their events delivered within 2 s' },
    of('  delivered within, ms', 'deliveredMs'),
    of('  (the API server needed, ms)', 'writtenMs'),
    { ...of('  transactions', 'transactions'), goal: limitGoal(60) },
    of('  Raft entries', 'raftEntries'),
    { ...of('  last event to the last change in Consul, ms', 'settledMs'), goal: limitGoal(1000) },
  ];
}

function idle(table: Figures): Row[] {
  const of = (what: string, field: keyof Measured['life']['idle']) => both(table, what, ({ life }) => life.idle[field]);
  return [
    { what: 'idle' },
    of('  seconds', 'seconds'),
    { ...of('  Raft entries', 'raftEntries'), goal: limitGoal(0, '0') },
    { ...of('  CPU, % of a core', 'cpuPercent'), goal: limitGoal(1) },
    of('  resident memory at the end, MiB', 'residentMiB'),
  ];
}

function total(table: Figures): Row[] {
  return [
    { what: `the whole life at ${table.pods} pods` },
    both(table, '  CPU, seconds (Consular was idle for longer)', ({ life }) => life.cpuSeconds),
  ];
}

function memory(figures: readonly Figures[], tableSize: number): Row[] {
  const rows = figures.map((each) => {
    const row = both(each, `  ${each.pods} pods, MiB`, ({ life }) => life.peakMiB);
    return each.pods === tableSize || each.pods === LARGE ? within(MOST_MEMORY, row) : row;
  });
  return [{ what: 'peak resident memory' }, ...rows];
}

function costOfChange(figures: readonly Figures[]): Row[] {
  const cost = ({ life }: Measured) => life.changes.cpuMs;
  const [smallest] = figures;
  const rows = figures.map((each) => {
    const row = both(each, `  ${each.pods} pods, CPU ms`, cost);
    if (!smallest || each === smallest) return row;
    const base = `that at ${smallest.pods} pods`;
    return { ...row, goal: ratioGoal(FLAT, cost(smallest.consular), base) };
  });
  return [{ what: 'cost of one change' }, ...rows];
}

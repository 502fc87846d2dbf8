import { judge, limitGoal, ratioGoal, type Goal, type JudgedRow, type Row } from '../table.ts';
import { ARRIVAL_GAP_MS, FLIPS_PER_SECOND, type Changes } from './changes.ts';
import { GIANT } from './giant.ts';
import type { Figures, Measured } from './index.ts';
import { instancesOf } from './instances.ts';
import type { Writes } from './mirror.ts';
import { FLIPS_PER_SECOND as PODS_PER_SECOND } from './pods.ts';

/** The most services that are followed by a long poll each: with more than these, the goals are times and no ratios. */
const MOST_FOLLOWED = 100;
/** CPU that sweeps may cause in Consul, in milliseconds a second; the goal is about 150 000 instances. */
const MOST_CONSUL_MS = 50;
const OBJECTS = ['services', 'endpointslices', 'endpoints'] as const;

/** The table: every figure of this run that has a goal, and those that explain them. */
export function judgeFigures(figures: readonly Figures[]): JudgedRow[] {
  const largest = figures.at(-1);
  if (!largest) throw new Error('make the table: expected figures, found none');
  return [
    ...figures.flatMap(flips),
    ...arrivals(largest),
    ...busyArrivals(largest),
    ...figures.flatMap(firstMirror),
    ...quiet(largest),
    ...giant(largest),
    ...figures.flatMap(life),
  ].map(judge);
}

type RatioRow = Row & { readonly floor: number; readonly consular: number };

/** A row from the same figure of both programs. */
function both({ floor, consular }: Figures, what: string, of: (measured: Measured) => number): RatioRow {
  return { what, floor: of(floor), consular: of(consular) };
}

function within(ratio: number, row: RatioRow): Row {
  return { ...row, goal: ratioGoal(ratio, row.floor) };
}

function sizeOf({ services }: Figures): string {
  return `${services} services, ${instancesOf(services)} instances`;
}

const QUANTILES = ['p50', 'p90', 'p99', 'max'] as const;

function flips(figures: Figures): Row[] {
  const { n } = figures.consular.flips.writtenMs;
  const row = (q: (typeof QUANTILES)[number]) => both(figures, `  ${q}, ms`, (of) => of.flips.writtenMs[q]);
  const small = figures.services <= MOST_FOLLOWED;
  return [
    { what: `health to slice written, ${n} flips, ${FLIPS_PER_SECOND} a second: ${sizeOf(figures)}` },
    small ? within(2, row('p50')) : row('p50'),
    row('p90'),
    small ? within(2, row('p99')) : { ...row('p99'), goal: limitGoal(200) },
    row('max'),
    both(figures, "  p50 of Consul's write, in the above, ms", (of) => of.flips.consulMs.p50),
    both(figures, '  own CPU, ms a change', (of) => of.flips.cpuMs.subject),
    both(figures, '  CPU of Consul, ms a change, with the write', (of) => of.flips.cpuMs.consul),
    both(figures, '  CPU of the API server, ms a change', (of) => of.flips.cpuMs.apiServer),
    both(figures, '  CPU of etcd, ms a change', (of) => of.flips.cpuMs.etcd),
  ];
}

function quantileRows(floor: Changes | undefined, consular: Changes | undefined, goal: Goal): Row[] {
  return QUANTILES.map((q) => ({
    what: `  ${q}, ms`,
    ...(floor ? { floor: floor.writtenMs[q] } : {}),
    ...(consular ? { consular: consular.writtenMs[q] } : {}),
    ...(q === 'p99' ? { goal } : {}),
  }));
}

function arrivals({ services, floor, consular }: Figures): Row[] {
  const what = `instance added or removed, ${consular.arrivals?.writtenMs.n ?? 0}, one every ${ARRIVAL_GAP_MS / 1000} s`;
  return [
    { what: `${what}: ${services} services` },
    ...quantileRows(floor.arrivals, consular.arrivals, limitGoal(3000)),
    ownCpu(consular.arrivals),
    { ...consulCpu(consular.arrivals), goal: limitGoal(MOST_CONSUL_MS) },
  ];
}

function busyArrivals({ consular: { busyArrivals: churn } }: Figures): Row[] {
  return [
    { what: `the same while to-consul writes ${PODS_PER_SECOND} changes a second` },
    ...quantileRows(undefined, churn?.result, limitGoal(12_000)),
    ownCpu(churn?.result),
    consulCpu(churn?.result),
    { what: '  transactions a second meanwhile', consular: churn?.transactionsPerSecond ?? NaN },
  ];
}

function ownCpu(changes: Changes | undefined): Row {
  return { what: '  own CPU, ms a change', consular: changes?.cpuMs.subject ?? NaN };
}

/** With nothing else going on it is what the sweeps after each change cost. */
function consulCpu(changes: Changes | undefined): Row {
  return { what: '  CPU of Consul, ms a second', consular: changes?.consulMsPerSecond ?? NaN };
}

function total(writes: Writes): number {
  return OBJECTS.reduce((sum, kind) => sum + writes[kind], 0);
}

function firstMirror(figures: Figures): Row[] {
  return [
    { what: `first mirror: ${sizeOf(figures)}` },
    within(
      1.5,
      both(figures, '  objects written', ({ first }) => total(first.writes)),
    ),
    ...OBJECTS.map((kind) => both(figures, `  of these ${kind}`, ({ first }) => first.writes[kind])),
    both(figures, '  every endpoint in a slice, ms', ({ first }) => first.mirroredMs),
    both(figures, '  last write, ms', ({ first }) => first.settledMs),
    both(figures, '  own CPU, s', ({ first }) => first.spent.subject),
    both(figures, '  CPU of Consul, s', ({ first }) => first.spent.consul),
    both(figures, '  CPU of the API server, s', ({ first }) => first.spent.apiServer),
    both(figures, '  CPU of etcd, s', ({ first }) => first.spent.etcd),
  ];
}

function quiet({ services, consular: { quiet: figures } }: Figures): Row[] {
  return [
    { what: `restart with nothing changed, then idle for ${figures?.seconds ?? 0} s: ${services} services` },
    { what: '  objects written', consular: figures?.objectWrites ?? NaN, goal: limitGoal(0, '0') },
    {
      what: '  requests to Consul a second, idle, without long polls',
      consular: figures?.requestsPerSecond ?? NaN,
      goal: limitGoal(0.2),
    },
    { what: '  long polls answered a second, idle', consular: figures?.longPollsPerSecond ?? NaN },
    { what: '  connections to Consul, idle', consular: figures?.connections ?? NaN },
    { what: '  own CPU, % of a core, idle', consular: figures?.cpuPercent ?? NaN },
    {
      what: '  CPU of Consul above what it uses alone, % of a core, idle',
      consular: figures?.consulPercent ?? NaN,
    },
    { what: '  resident memory at the end, MiB', consular: figures?.residentMiB ?? NaN },
    { what: '  ready after the start, ms', consular: figures?.readyMs ?? NaN },
    { what: '  requests to Consul at the start', consular: figures?.requestsAtStart ?? NaN },
  ];
}

function giant(figures: Figures): Row[] {
  const of = (what: string, pick: (writes: Writes) => number) =>
    both(figures, what, (measured) => (measured.giant ? pick(measured.giant.writes) : NaN));
  return [
    { what: `one service with ${GIANT} instances, one becomes critical` },
    { ...of('  slices written', ({ endpointslices }) => endpointslices), goal: limitGoal(1) },
    of('  other objects written', ({ services, endpoints }) => services + endpoints),
    both(figures, '  slice written after, ms', (measured) => measured.giant?.writtenMs ?? NaN),
  ];
}

function life(figures: Figures): Row[] {
  return [
    { what: `the whole life: ${sizeOf(figures)}` },
    both(figures, '  CPU, seconds (Consular lived longer)', ({ cpuSeconds }) => cpuSeconds),
    both(figures, '  peak resident memory, MiB', ({ peakMiB }) => peakMiB),
  ];
}

import { judge, limitGoal, ratioGoal, type JudgedRow, type Row } from '../table.ts';
import type { Figures } from './index.ts';
import { PROBED_SIZES, type ProbedSize } from './layout.ts';
import type { Life } from './life.ts';

/** MiB, by pods: where there is a goal. */
const MOST_MEMORY: ReadonlyMap<number, number> = new Map([
  [50_000, 300],
  [150_000, 600],
]);
const MOST_OWN_CPU = 2;
const MOST_CONSUL_CPU = 1.5;
/** % of a core. */
const MOST_IDLE_OF_CONSUL = 0.5;
/** The cost of a change at the largest size, by that at the smallest. */
const FLAT = 1.3;

/** The table: every figure of this run that has a goal, and those that explain them. */
export function judgeFigures(figures: readonly Figures[]): JudgedRow[] {
  return figures
    .flatMap((each) => ofSize(each))
    .concat(growth(figures))
    .map(judge);
}

function ofSize(figures: Figures): Row[] {
  const both = (what: string, of: (life: Life) => number) => ({
    what: `  ${what}`,
    floor: of(figures.floor),
    consular: of(figures.consular),
  });
  const { pods, consular } = figures;
  const { look, relist, loopDelay } = consular;
  const most = MOST_MEMORY.get(pods);
  return [
    { what: `${pods} pods` },
    both('first fill, seconds', ({ fill }) => fill.wallMs / 1000),
    both('  own CPU, seconds', ({ fill }) => fill.cpuSeconds),
    both("  Consul's CPU, seconds", ({ fill }) => fill.consulCpuSeconds),
    ...PROBED_SIZES.map((size) => {
      const row = both(`CPU caused in Consul by a change, ${size} pods a service, ms`, consulCostOf(size));
      return { ...row, goal: ratioGoal(MOST_CONSUL_CPU, row.floor) };
    }),
    ...PROBED_SIZES.map((size) => {
      const row = both(`own CPU of a change, ${size} pods a service, ms`, costOf(size));
      return { ...row, goal: ratioGoal(MOST_OWN_CPU, row.floor) };
    }),
    both('Raft entries of a change, 100 pods a service', ({ changes }) => changes[100].entries),
    { what: '  looks at all nodes after the last change, own CPU, seconds', ...given(look?.cpuSeconds) },
    { what: "    Consul's CPU, seconds", ...given(look?.consulCpuSeconds) },
    { ...both('idle, CPU, % of a core', ({ idle }) => idle.cpuPercent), goal: limitGoal(1) },
    both("idle, Consul's CPU, % of a core", ({ idle }) => idle.consulCpuPercent),
    idleOfConsul(figures),
    { what: '  relist with every pod changed, own CPU, seconds', ...given(relist?.cpuSeconds) },
    { what: "    Consul's CPU, seconds", ...given(relist?.consulCpuSeconds) },
    { what: '  resident memory before the relist, MiB', consular: consular.residentMiB },
    {
      what: '  peak resident memory, relist included, MiB',
      consular: consular.peakMiB,
      ...(most === undefined ? {} : { goal: limitGoal(most) }),
    },
    { what: '  event loop delay, p99, ms', ...given(loopDelay?.p99Ms), goal: limitGoal(20) },
    { what: '  event loop delay, longest, ms', ...given(loopDelay?.maxMs), goal: limitGoal(100) },
    { what: '    most CPU of its thread without a turn, ms', ...given(loopDelay?.cpuMaxMs) },
  ];
}

/**
 * The floor does nothing then, so that its figure is what Consul does by itself with that many instances. Where that is more than the
 * goal, it differs by more than the goal from one minute to the next: nothing can be said then.
 */
function idleOfConsul({ floor, consular }: Figures): Row {
  const [alone, percent] = [floor.idle.consulCpuPercent, consular.idle.consulCpuPercent];
  const above = {
    what: "  idle, Consul's CPU above what it uses with the floor, % of a core",
    consular: percent - alone,
  };
  return alone > MOST_IDLE_OF_CONSUL ? above : { ...above, goal: limitGoal(MOST_IDLE_OF_CONSUL) };
}

function growth(figures: readonly Figures[]): Row[] {
  const [smallest, largest] = [figures[0], figures.at(-1)];
  if (!smallest || !largest || smallest === largest) return [];
  const base = `that at ${smallest.pods} pods`;
  const rows = PROBED_SIZES.map((size) => ({
    what: `  ${largest.pods} pods, ${size} pods a service, ms`,
    consular: costOf(size)(largest.consular),
    goal: ratioGoal(FLAT, costOf(size)(smallest.consular), base),
  }));
  return [{ what: 'own CPU of a change as the cluster grows' }, ...rows];
}

const costOf =
  (size: ProbedSize) =>
  ({ changes }: Life) =>
    changes[size].cpuMs;

const consulCostOf =
  (size: ProbedSize) =>
  ({ changes }: Life) =>
    changes[size].consulCpuMs;

function given(consular: number | undefined): Pick<Row, 'consular'> {
  return consular === undefined ? {} : { consular };
}

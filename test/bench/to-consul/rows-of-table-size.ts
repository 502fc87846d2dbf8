import { median } from '../quantiles.ts';
import { limitGoal, type Row } from '../table.ts';
import type { Figures, Measured } from './index.ts';
import { both, within } from './row.ts';

export function restart({ floor, consular, pods }: Figures): Row[] {
  const { restarts } = consular.life;
  const listed = median(floor.fills.map(({ readMs }) => readMs));
  const most = (field: 'catalogWrites' | 'raftEntries') => Math.max(...restarts.map((each) => each[field]));
  const mid = (of: (each: (typeof restarts)[number]) => number) => median(restarts.map(of));
  return [
    { what: `restart with nothing changed, ${pods} pods, median of ${restarts.length}` },
    { what: '  catalog writes, most', consular: most('catalogWrites'), goal: limitGoal(0, '0') },
    { what: "  Raft entries, most, the fence's key included", consular: most('raftEntries'), goal: limitGoal(1) },
    { what: '  views complete, ms', consular: mid(({ readMs }) => readMs) },
    within(1.2, {
      what: "  ready (the floor's paged list of pods), ms",
      floor: listed,
      consular: mid(({ readyMs }) => readyMs),
    }),
    { what: '  own CPU, s, with the 5 s after', consular: mid(({ spent }) => spent.subject) },
    { what: '  CPU of Consul, s', consular: mid(({ spent }) => spent.consul) },
    { what: '  CPU of the API server, s', consular: mid(({ spent }) => spent.apiServer) },
    { what: '  CPU of etcd, s', consular: mid(({ spent }) => spent.etcd) },
  ];
}

export function idle({ consular, pods }: Figures): Row[] {
  const { idle: measured } = consular.life;
  if (!measured) return [];
  const { seconds, raftEntries, cpuPercent, consulPercent, consulAlonePercent, residentMiB } = measured;
  return [
    { what: `idle for ${seconds} s, ${pods} pods` },
    { what: '  Raft entries', consular: raftEntries, goal: limitGoal(0, '0') },
    { what: '  own CPU, % of a core', consular: cpuPercent, goal: limitGoal(1) },
    {
      what: '  CPU of Consul above what it uses alone, % of a core',
      consular: consulPercent - consulAlonePercent,
      goal: limitGoal(0.5),
    },
    { what: '  CPU of Consul alone, % of a core', consular: consulAlonePercent },
    { what: '  resident memory at the end, MiB', consular: residentMiB },
  ];
}

export function replacement(table: Figures): Row[] {
  if (!table.consular.replacement) return [];
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

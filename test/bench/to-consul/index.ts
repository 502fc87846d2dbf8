import { openRunDirectory, startKubernetes } from '../../control-plane/index.ts';
import { tableSize, type ToConsulOptions } from '../options.ts';
import { measureEach, type Report } from '../report.ts';
import { say } from '../subjects.ts';
import { measureFill, type Fill } from './fill.ts';
import { measureLife, type Life } from './life.ts';
import { consularProgram, floorProgram, type Program } from './programs.ts';
import { measureReplacement, type Replacement } from './replacement.ts';
import { judgeFigures } from './rows.ts';
import { World } from './world.ts';

/** What was measured of one program at one size. */
export interface Measured {
  readonly life: Life;
  /** These at the size of the table only. */
  readonly fills: readonly Fill[];
  readonly replacement?: Replacement;
}

export interface Figures {
  readonly pods: number;
  readonly floor: Measured;
  readonly consular: Measured;
}

type Programs = Readonly<Record<'floor' | 'consular', Program>>;

/**
 * Both programs, at each size: one after the other, so that neither takes the other's time, and the first fills in turn,
 * so that whatever else the machine does hits both.
 */
export async function run(options: ToConsulOptions): Promise<Report<readonly Figures[]>> {
  say('starting the control plane ...');
  const plane = await startKubernetes();
  const directory = await openRunDirectory('bench');
  const world = new World(plane);
  try {
    const programs = { floor: await floorProgram(directory, plane), consular: await consularProgram(directory, plane) };
    const pods = tableSize(options.sizes);
    const measure = async (size: number) => {
      await world.growTo(size);
      return measureSize(world, programs, options);
    };
    const isEnough = (measured: readonly Figures[]) => measured.some((one) => one.pods === pods);
    const { figures, failure } = await measureEach(options.sizes, measure, isEnough);
    const title = `to-consul; for every 1000 pods there are 100 services and 10 nodes`;
    return { title: [title], figures, rows: judgeFigures(figures, pods), failure };
  } finally {
    await world.close();
    await directory.close();
    await plane.stop();
  }
}

async function measureSize(world: World, programs: Programs, options: ToConsulOptions): Promise<Figures> {
  const { starts, flips, idleSeconds, replacement } = options;
  const isTable = world.size === tableSize(options.sizes);
  const fills = await measureFills(programs, world, isTable ? starts : 0);
  const floorLife = await measureLife(programs.floor, world, { flips, restarts: 0 });
  const life = await measureLife(
    programs.consular,
    world,
    isTable ? { flips, idleSeconds, restarts: starts } : { flips, restarts: 0 },
  );
  const replaced = async (program: Program) =>
    isTable && replacement ? { replacement: await measureReplacement(program, world) } : {};
  return {
    pods: world.size,
    floor: { life: floorLife, fills: fills.floor, ...(await replaced(programs.floor)) },
    consular: { life, fills: fills.consular, ...(await replaced(programs.consular)) },
  };
}

async function measureFills(programs: Programs, world: World, count: number) {
  const fills = { floor: [] as Fill[], consular: [] as Fill[] };
  for (let i = 0; i < count; i++) {
    for (const program of [programs.floor, programs.consular]) {
      say(`${program.name}, ${world.size} pods: first fill ${i + 1} of ${count}`);
      fills[program.name].push(await measureFill(program, world));
    }
  }
  return fills;
}

import { openRunDirectory, startKubernetes, type KubernetesPlane } from '../../control-plane/index.ts';
import { tableSize, type ToConsulOptions } from '../options.ts';
import { say } from '../subjects.ts';
import type { JudgedRow } from '../table.ts';
import { measureFill, type Fill } from './fill.ts';
import { measureLife, type Life } from './life.ts';
import { consularProgram, floorProgram, type Program } from './programs.ts';
import { measureReplacement, type Replacement } from './replacement.ts';
import { judgeFigures } from './rows.ts';
import { World } from './world.ts';

/** What was measured of one program at one size. */
export interface Measured {
  /** At the size of the table only. */
  readonly fills: readonly Fill[];
  readonly life: Life;
  readonly replacement?: Replacement;
}

export interface Figures {
  readonly pods: number;
  readonly floor: Measured;
  readonly consular: Measured;
}

export interface Report {
  readonly title: readonly string[];
  readonly figures: readonly Figures[];
  readonly rows: readonly JudgedRow[];
  /** Why a size is missing. */
  readonly failure?: unknown;
}

type Programs = Readonly<Record<'floor' | 'consular', Program>>;

/** The floor is only looked at in idleness to know what it uses anyway. */
const SHORT_IDLE_SECONDS = 20;

/**
 * Both programs, at each size: one after the other, so that neither takes the other's time, and the first fills in turn,
 * so that whatever else the machine does hits both.
 */
export async function run(options: ToConsulOptions): Promise<Report> {
  say('starting the control plane ...');
  const plane = await startKubernetes();
  const directory = await openRunDirectory('bench');
  const world = new World(plane);
  try {
    const programs = { floor: await floorProgram(directory, plane), consular: await consularProgram(directory, plane) };
    const figures: Figures[] = [];
    const pods = tableSize(options.sizes);
    let failure: unknown;
    for (const size of options.sizes) {
      try {
        await world.growTo(size);
        figures.push(await measureSize(plane, world, programs, options));
      } catch (error) {
        // What was measured up to here took half an hour: it is not lost for the sake of the rest.
        if (!figures.some((measured) => measured.pods === pods)) throw error;
        failure = error;
        break;
      }
    }
    const title = `to-consul at ${pods} pods, ${pods / 10} services, ${pods / 100} nodes, where no other size is named;`;
    return { title: [title], figures, rows: judgeFigures(figures, pods), failure };
  } finally {
    await world.close();
    await directory.close();
    await plane.stop();
  }
}

async function measureSize(
  plane: KubernetesPlane,
  world: World,
  programs: Programs,
  options: ToConsulOptions,
): Promise<Figures> {
  const { starts, flips, idleSeconds } = options;
  const { floor, consular } = programs;
  const short = Math.min(idleSeconds, SHORT_IDLE_SECONDS);
  if (world.size !== tableSize(options.sizes)) {
    const life = { flips, idleSeconds: short, restarts: 0 };
    return {
      pods: world.size,
      floor: { fills: [], life: await measureLife(floor, world, life) },
      consular: { fills: [], life: await measureLife(consular, world, life) },
    };
  }
  const fills = { floor: [] as Fill[], consular: [] as Fill[] };
  for (let i = 0; i < starts; i++) {
    for (const program of [floor, consular]) {
      say(`${program.name}, ${world.size} pods: first fill ${i + 1} of ${starts}`);
      fills[program.name].push(await measureFill(program, world.size));
    }
  }
  return {
    pods: world.size,
    floor: {
      fills: fills.floor,
      life: await measureLife(floor, world, { flips, idleSeconds: short, restarts: 0 }),
      replacement: await measureReplacement(floor, plane, world),
    },
    consular: {
      fills: fills.consular,
      life: await measureLife(consular, world, { flips, idleSeconds, restarts: starts }),
      replacement: await measureReplacement(consular, plane, world),
    },
  };
}

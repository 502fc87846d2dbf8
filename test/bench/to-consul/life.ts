import { setTimeout as sleep } from 'node:timers/promises';
import { withConsul } from '../bench-consul.ts';
import { measureBackground } from '../cpu.ts';
import { say } from '../subjects.ts';
import { measureCost, measureSeen, type Cost, type Scene, type SeenChanges } from './changes.ts';
import { untilCounted, untilFilled } from './fill.ts';
import { FLIPS_PER_SECOND } from './flips.ts';
import { measureIdle, type Idle } from './idle.ts';
import { CLASSES, type Class } from './pods.ts';
import type { Program, Registrar } from './programs.ts';
import { measureRestart, type Restart } from './restart.ts';
import { partsOf, type World } from './world.ts';

/** One process from its start to its end. */
export interface Life {
  /** Of the moment when the first fill ends. */
  readonly seen: SeenChanges;
  /** Later, by how many pods the services have. */
  readonly costs: Readonly<Record<Class, Cost>>;
  readonly peakMiB: number;
  readonly idle?: Idle;
  readonly restarts: readonly Restart[];
}

export interface LifeOptions {
  readonly flips: number;
  /** @default not measured */
  readonly idleSeconds?: number;
  /** How many of a program that has been stopped. */
  readonly restarts: number;
}

/** Consul has become its own leader, and registered itself. */
const CONSUL_SETTLE_MS = 3000;
const BACKGROUND_MS = 8000;
/** After work, before what must not have the rest of it: Consular looks at its own writes again 10 seconds later. */
const SETTLE_MS = 15_000;

export async function measureLife(program: Program, world: World, options: LifeOptions): Promise<Life> {
  return withConsul(async (consul, server) => {
    const tell = (what: string) => say(`${program.name}, ${world.size} pods: ${what}`);
    await sleep(CONSUL_SETTLE_MS);
    const background = await measureBackground(partsOf(world, server), () => sleep(BACKGROUND_MS));
    tell('first fill, and changes at once');
    const subject = await program.start(consul);
    try {
      const parts = { ...partsOf(world, server), subject: subject.pid };
      const scene = { world, consul, parts, background };
      const life = await subject.during(live(scene, subject, options, tell));
      if (options.idleSeconds !== undefined) tell(`idle for ${options.idleSeconds} s, then Consul alone`);
      const idle =
        options.idleSeconds === undefined ? {} : { idle: await measureIdle(scene, subject, options.idleSeconds) };
      await subject.stop();
      const restarts: Restart[] = [];
      for (let i = 0; i < options.restarts; i++) {
        tell('restarting with nothing changed');
        restarts.push(await measureRestart(program, consul, partsOf(world, server)));
      }
      return { ...life, ...idle, restarts };
    } finally {
      await subject.stop();
    }
  });
}

async function live(
  scene: Scene,
  subject: Registrar,
  { flips }: LifeOptions,
  tell: (what: string) => void,
): Promise<Pick<Life, 'seen' | 'costs' | 'peakMiB'>> {
  const { consul, world } = scene;
  await untilCounted(consul, world.size);
  const seen = await measureSeen(scene, flips);
  await untilFilled(consul, world.size);
  await sleep(SETTLE_MS);
  const costs: Partial<Record<Class, Cost>> = {};
  for (const size of CLASSES) {
    tell(`${flips} changes, ${FLIPS_PER_SECOND} a second, of services of size ${size}`);
    costs[size] = await measureCost(scene, size, flips);
  }
  await untilFilled(consul, world.size);
  await sleep(SETTLE_MS);
  return { seen, costs: costs as Record<Class, Cost>, peakMiB: (await subject.memory()).peakMiB };
}

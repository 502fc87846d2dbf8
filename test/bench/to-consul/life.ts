import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import { withConsul } from '../bench-consul.ts';
import { FLIPS_OF_A_ROUND } from '../options.ts';
import { raftEntries } from '../raft-entries.ts';
import { say } from '../subjects.ts';
import { startFilled } from './fill.ts';
import { FLIPS_PER_SECOND, measureFlips, type Flips } from './flips.ts';
import type { Program, Registrar } from './programs.ts';
import { measureRestart, type Restart } from './restart.ts';
import type { World } from './world.ts';

export interface Idle {
  readonly seconds: number;
  readonly cpuPercent: number;
  readonly raftEntries: number;
  readonly residentMiB: number;
}

export interface Changes extends Flips {
  /** CPU of one change, with what the program uses meanwhile anyway: a short idleness before it would not tell how much that is. */
  readonly cpuMs: number;
  readonly transactions: number;
  readonly raftEntries: number;
}

/** One process from its start to its end. */
export interface Life {
  readonly idle: Idle;
  readonly changes: Changes;
  readonly restarts: readonly Restart[];
  /** Of the whole life but the restarts. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

export interface LifeOptions {
  readonly idleSeconds: number;
  readonly flips: number;
  readonly restarts: number;
}

/** After work, before idleness: Consular looks at its own writes again 10 seconds later. */
const SETTLE_MS = 15_000;
/** Two changes a probe, so that neither program is measured while it runs a piece of code for the first time. */
const WARM_UP_FLIPS = 2 * FLIPS_OF_A_ROUND;

export async function measureLife(program: Program, world: World, options: LifeOptions): Promise<Life> {
  return withConsul(async (consul) => {
    say(`${program.name}, ${world.size} pods: starting`);
    const subject = await startFilled(program, consul, world.size);
    try {
      const life = await subject.during(live(subject, consul, world, options));
      await subject.stop();
      const restarts: Restart[] = [];
      for (let i = 0; i < options.restarts; i++) {
        say(`${program.name}, ${world.size} pods: restarting with nothing changed`);
        restarts.push(await measureRestart(program, consul));
      }
      return { ...life, restarts };
    } finally {
      await subject.stop();
    }
  });
}

async function live(
  subject: Registrar,
  consul: ConsulApi,
  world: World,
  { idleSeconds, flips }: LifeOptions,
): Promise<Omit<Life, 'restarts'>> {
  const tell = (what: string) => say(`${subject.name}, ${world.size} pods: ${what}`);
  await measureFlips(world, consul, WARM_UP_FLIPS);
  await sleep(SETTLE_MS);
  tell(`idle for ${idleSeconds} s`);
  const idle = await measureIdle(subject, consul, idleSeconds);
  tell(`${flips} changes, ${FLIPS_PER_SECOND} a second`);
  const changes = await measureChanges(subject, consul, world, flips);
  return {
    idle,
    changes,
    cpuSeconds: await subject.cpuSeconds(),
    peakMiB: (await subject.memory()).peakMiB,
  };
}

async function measureIdle(subject: Registrar, consul: ConsulApi, seconds: number): Promise<Idle> {
  const entries = (await raftEntries(consul)).all;
  const stopwatch = await startStopwatch(subject);
  await sleep(seconds * 1000);
  const { cpu, wall } = await stopwatch();
  return {
    seconds,
    cpuPercent: (100 * cpu) / wall,
    raftEntries: (await raftEntries(consul)).all - entries,
    residentMiB: (await subject.memory()).residentMiB,
  };
}

/** What the program puts off until after the changes belongs to them, so the stopwatch runs on for a while. */
async function measureChanges(subject: Registrar, consul: ConsulApi, world: World, flips: number): Promise<Changes> {
  const before = { transactions: await subject.transactions(), entries: await raftEntries(consul) };
  const stopwatch = await startStopwatch(subject);
  const measured = await measureFlips(world, consul, flips);
  await sleep(SETTLE_MS);
  const { cpu } = await stopwatch();
  return {
    ...measured,
    cpuMs: (cpu / flips) * 1000,
    transactions: (await subject.transactions()) - before.transactions,
    raftEntries: (await raftEntries(consul)).all - before.entries.all,
  };
}

/** Seconds of CPU and of time since it was started. */
async function startStopwatch(subject: Registrar): Promise<() => Promise<{ cpu: number; wall: number }>> {
  const cpu = await subject.cpuSeconds();
  const at = performance.now();
  return async () => ({ cpu: (await subject.cpuSeconds()) - cpu, wall: (performance.now() - at) / 1000 });
}

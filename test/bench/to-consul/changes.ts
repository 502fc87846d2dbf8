import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsulApi } from '../../rig/consul.ts';
import { caused, startStopwatch, type Parts, type PerPart } from '../cpu.ts';
import { raftEntries } from '../raft-entries.ts';
import { untilCounted } from './fill.ts';
import { flipUnseen, measureFlips, type Flips } from './flips.ts';
import type { Class } from './pods.ts';
import type { World } from './world.ts';

/** What is measured, and on what. */
export interface Scene {
  readonly world: World;
  readonly consul: ConsulApi;
  readonly parts: Parts;
  /** CPU seconds a second of each part without the program. */
  readonly background: PerPart;
}

/** What one change costs. */
export interface Cost {
  /** Milliseconds of CPU, without the background. */
  readonly cpuMs: PerPart;
  readonly raftEntries: number;
}

/** What a program puts off until after the changes belongs to them. */
const TAIL_MS = 5000;

/** Changes at 20 a second of pods whose services have that many pods. */
export async function measureCost(
  { world, consul, parts, background }: Scene,
  size: Class,
  flips: number,
): Promise<Cost> {
  const entries = (await raftEntries(consul)).all;
  const stopwatch = await startStopwatch(parts);
  await flipUnseen(world, size, flips);
  await untilCounted(consul, world.size);
  await sleep(TAIL_MS);
  const cpuMs = caused(await stopwatch(), background, flips);
  return { cpuMs, raftEntries: ((await raftEntries(consul)).all - entries) / flips };
}

export interface SeenChanges extends Flips {
  /** With what Consul has to do to show the changes to the benchmark. */
  readonly cpuMs: PerPart;
}

/** The same, with when each change was visible, and with all that the program does beside at that time. */
export async function measureSeen({ world, consul, parts, background }: Scene, flips: number): Promise<SeenChanges> {
  const stopwatch = await startStopwatch(parts);
  const seen = await measureFlips(world, consul, flips);
  return { ...seen, cpuMs: caused(await stopwatch(), background, flips) };
}

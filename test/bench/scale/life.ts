import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withConsul } from '../bench-consul.ts';
import { caused, measureBackground, startStopwatch, type Parts, type PerPart } from '../cpu.ts';
import type { ScaleOptions } from '../options.ts';
import { raftEntries } from '../raft-entries.ts';
import { say, type Subject } from '../subjects.ts';
import type { Program } from '../to-consul/programs.ts';
import type { ConsulApi } from '../../rig/consul.ts';
import { LOOK_PACE } from '../../../src/to-consul/observed/looks.ts';
import { PROBED_SIZES, type Layout, type ProbedSize } from './layout.ts';
import { untilCounted, untilQuiet } from './quiet.ts';
import type { ReplayServer } from './replay-server.ts';

/** What one program was measured to do with a cluster of one size. */
export interface Life {
  readonly fill: { readonly wallMs: number; readonly cpuSeconds: number; readonly consulCpuSeconds: number };
  /** CPU milliseconds of one change, by how many pods the service has. */
  readonly changes: Readonly<Record<ProbedSize, Change>>;
  /** CPU seconds of the looks at all nodes that the changes give reason for; the floor has none. */
  readonly look?: { readonly cpuSeconds: number; readonly consulCpuSeconds: number };
  readonly idle: { readonly cpuPercent: number; readonly consulCpuPercent: number };
  /** Of a relist of everything with every pod changed; the floor cannot do that. */
  readonly relist?: { readonly wallMs: number; readonly cpuSeconds: number; readonly consulCpuSeconds: number };
  readonly residentMiB: number;
  readonly peakMiB: number;
  readonly loopDelay?: LoopDelay;
}

export interface Change {
  readonly cpuMs: number;
  readonly consulCpuMs: number;
  /** Entries of Consul's Raft log, by the number of changes. */
  readonly entries: number;
}

/** Of the whole run. */
export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The most CPU that the loop's thread used without a turn: what is left of the above on an idle machine, garbage aside. */
  readonly cpuMaxMs: number;
  /** Date.now() and the longest of the two seconds before it. */
  readonly slots: readonly { readonly at: number; readonly maxMs: number; readonly cpuMaxMs: number }[];
}

export interface Stage {
  readonly program: Program;
  readonly replay: ReplayServer;
  readonly layout: Layout;
  readonly options: ScaleOptions;
  /** Instances in Consul beside those of the pods. */
  readonly ownEntries: number;
  /** Where the event loop's delays are written; empty for a program that does not measure them. */
  readonly delays: { readonly folder: string; readonly preload: string } | undefined;
}

const BACKGROUND_MS = 5000;
const AFTERMATH_MS = 5000;
const FLIPS_PER_SECOND = 20;
/** A file of that name in the folder of the delays keeps them from being measured. */
const REST = 'rest';
/** A look at 5 000 nodes takes some seconds. */
const LOOKED_MS = 10_000;
/**
 * Long enough that each watch finds nobody at least once, and that the delays of the event loop are measured again by its end; far
 * shorter than a Lease.
 */
const AWAY_MS = 3000;

export async function measureLife(stage: Stage): Promise<Life> {
  const { program, replay, layout, delays } = stage;
  if (delays) await mkdir(delays.folder);
  const environment = delays ? { NODE_OPTIONS: `--import=${delays.preload}`, LOOP_DELAY_FOLDER: delays.folder } : {};
  return withConsul(async (consul, { pid }) => {
    const others = { consul: pid, apiServer: 0, etcd: 0 };
    const background = await measureBackground(others, () => sleep(BACKGROUND_MS));
    const start = performance.now();
    const subject = await program.start(consul, { port: replay.port, environment });
    try {
      tell(stage, 'first fill');
      const parts: Parts = { ...others, subject: subject.pid };
      const stopwatch = await startStopwatch({ ...others, subject: 0 });
      await subject.during(untilCounted(consul, layout.pods + stage.ownEntries));
      const wallMs = performance.now() - start;
      const fill = { wallMs, cpuSeconds: await subject.cpuSeconds(), consulCpuSeconds: (await stopwatch()).consul };
      const life = await subject.during(live(stage, subject, consul, parts, background));
      await subject.stop();
      return { fill, ...life, ...(delays ? { loopDelay: await readDelay(delays.folder) } : {}) };
    } finally {
      await subject.stop();
    }
  });
}

async function live(
  stage: Stage,
  subject: Subject,
  consul: ConsulApi,
  parts: Parts,
  background: PerPart,
): Promise<Omit<Life, 'fill' | 'loopDelay'>> {
  await untilQuiet(subject);
  await untilLooked(stage, subject);
  const changes: [ProbedSize, Change][] = [];
  for (const size of PROBED_SIZES) {
    tell(stage, `${stage.options.flips} changes of pods whose service has ${size}`);
    changes.push([size, await measureChanges(stage, consul, parts, background, size)]);
  }
  const look = stage.delays ? { look: await measureLook(stage, subject, parts, background) } : {};
  const idle = await measureIdle(stage, subject, parts);
  const { residentMiB } = await subject.memory();
  const relist = stage.delays ? { relist: await measureRelist(stage, subject, parts) } : {};
  return {
    changes: Object.fromEntries(changes) as Life['changes'],
    ...look,
    idle,
    ...relist,
    residentMiB,
    peakMiB: (await subject.memory()).peakMiB,
  };
}

/** Of the event loop nothing is measured meanwhile. */
async function measureIdle({ delays, ...stage }: Stage, subject: Subject, parts: Parts): Promise<Life['idle']> {
  tell(stage, `idle for ${stage.options.idleSeconds} s`);
  if (delays) await writeFile(join(delays.folder, REST), '');
  // A window of this is longer than the program takes to notice the file.
  await untilQuiet(subject);
  await untilQuiet(subject);
  const stopwatch = await startStopwatch(parts);
  await sleep(stage.options.idleSeconds * 1000);
  const spent = await stopwatch();
  if (delays) await rm(join(delays.folder, REST));
  const percent = (seconds: number) => (100 * seconds) / spent.seconds;
  return { cpuPercent: percent(spent.subject), consulCpuPercent: percent(spent.consul) };
}

/** Milliseconds until a look at all nodes is over that something gave reason for just now. */
function lookMs({ layout }: Stage): number {
  const { gapMs, ownGapMsPerNode, longestOwnGapMs } = LOOK_PACE;
  return Math.max(gapMs, Math.min(longestOwnGapMs, ownGapMsPerNode * layout.nodes)) + LOOKED_MS;
}

/** The first look reads what is on each node, once; it is no cost of a change. */
async function untilLooked(stage: Stage, subject: Subject): Promise<void> {
  if (!stage.delays) return;
  tell(stage, 'until all nodes were looked at');
  await sleep(Math.max(0, subject.startedAt + lookMs(stage) - Date.now()));
  await untilQuiet(subject);
}

/** How often there is such a look depends on the nodes, and not on the changes; between the changes above there is none where nodes are many. */
async function measureLook(
  stage: Stage,
  subject: Subject,
  parts: Parts,
  background: PerPart,
): Promise<NonNullable<Life['look']>> {
  tell(stage, 'the look at all nodes after the last change');
  const stopwatch = await startStopwatch(parts);
  await sleep(lookMs(stage));
  await untilQuiet(subject);
  const { subject: cpuMs, consul } = caused(await stopwatch(), background, 1);
  return { cpuSeconds: cpuMs / 1000, consulCpuSeconds: consul / 1000 };
}

/** What a program puts off belongs to the changes, and Consul's background does not. The subject's own counts. */
async function measureChanges(
  { replay, layout, options, ownEntries }: Stage,
  consul: ConsulApi,
  parts: Parts,
  background: PerPart,
  size: ProbedSize,
): Promise<Change> {
  const probes = layout.probes.get(size) ?? [];
  const entries = (await raftEntries(consul)).all;
  const stopwatch = await startStopwatch(parts);
  const start = performance.now();
  for (let i = 0; i < options.flips; i++) {
    await sleep(Math.max(0, start + (i * 1000) / FLIPS_PER_SECOND - performance.now()));
    await replay.flip(probes[i % probes.length] ?? 0);
  }
  await sleep(AFTERMATH_MS);
  const spent = await stopwatch();
  await untilCounted(consul, layout.pods + ownEntries);
  const { subject, consul: consulCpuMs } = caused(spent, background, options.flips);
  return { cpuMs: subject, consulCpuMs, entries: ((await raftEntries(consul)).all - entries) / options.flips };
}

async function measureRelist(stage: Stage, subject: Subject, parts: Parts): Promise<NonNullable<Life['relist']>> {
  tell(stage, 'reading everything again, with every pod changed');
  const stopwatch = await startStopwatch(parts);
  await stage.replay.goAway(AWAY_MS);
  await untilQuiet(subject);
  const spent = await stopwatch();
  return { wallMs: 1000 * spent.seconds, cpuSeconds: spent.subject, consulCpuSeconds: spent.consul };
}

/** Where a process started another of its own, the longer of both delays counts. */
async function readDelay(folder: string): Promise<LoopDelay> {
  const files = await readdir(folder);
  const all = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(`${folder}/${file}`, 'utf8')) as LoopDelay),
  );
  const most = (of: (delay: LoopDelay) => number) => Math.max(...all.map(of));
  if (all.length === 0) throw new Error('measure the event loop: expected a file with its delays, found none');
  return {
    p99Ms: most(({ p99Ms }) => p99Ms),
    maxMs: most(({ maxMs }) => maxMs),
    cpuMaxMs: most(({ cpuMaxMs }) => cpuMaxMs),
    slots: all.flatMap(({ slots }) => slots),
  };
}

function tell({ program, layout }: Pick<Stage, 'program' | 'layout'>, what: string): void {
  say(`${program.name}, ${layout.pods} pods: ${what}`);
}

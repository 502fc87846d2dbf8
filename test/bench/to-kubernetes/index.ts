import type { ToKubernetesOptions } from '../options.ts';
import type { Report } from '../report.ts';
import { say } from '../subjects.ts';
import { ARRIVAL_GAP_MS, measureArrivals, measureFlips, type Changes } from './changes.ts';
import { measureFirstMirror, type FirstMirror } from './first-mirror.ts';
import { measureGiant, type Giant } from './giant.ts';
import { whilePodsFlip, type Churn } from './pods.ts';
import { consularProgram, floorProgram, type Mirrorer, type Program } from './programs.ts';
import { measureQuiet, type Quiet } from './quiet.ts';
import { judgeFigures } from './rows.ts';
import { onStage, type Stage } from './stage.ts';

/** What was measured of one program with one number of services. */
export interface Measured {
  readonly first: FirstMirror;
  readonly flips: Changes;
  /** These with the most services only, and the last two of Consular only. */
  readonly arrivals?: Changes;
  readonly giant?: Giant;
  readonly busyArrivals?: Churn<Changes>;
  readonly quiet?: Quiet;
  /** Of one process from its start to its end, without the restart. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
}

export interface Figures {
  readonly services: number;
  readonly floor: Measured;
  readonly consular: Measured;
}

/** Two changes a probe, so that neither program is measured while it runs a piece of code for the first time. */
const WARM_UP_FLIPS = 200;
/** The floor has nothing that it does rarely: its changes need no time between them. */
const FLOOR_GAP_MS = 500;

/** Both programs with each number of services, one after the other, so that neither takes the other's time. */
export async function run(options: ToKubernetesOptions): Promise<Report<readonly Figures[]>> {
  const largest = Math.max(...options.sizes);
  const figures: Figures[] = [];
  for (const services of options.sizes) {
    const isLargest = services === largest;
    figures.push({
      services,
      floor: await onStage(services, async (stage) =>
        measureFloor(await floorProgram(stage), stage, options, isLargest),
      ),
      consular: await onStage(services, async (stage) =>
        measureConsular(await consularProgram(stage), stage, options, isLargest),
      ),
    });
  }
  return {
    title: [`to-kubernetes with ${options.sizes.join(' and ')} services;`],
    figures,
    rows: judgeFigures(figures),
  };
}

async function measureFloor(
  program: Program,
  stage: Stage,
  { flips, changes }: ToKubernetesOptions,
  isLargest: boolean,
): Promise<Measured> {
  return alive(program, stage, async (subject, tell) => {
    const basics = await measureBasics(subject, stage, flips, tell);
    if (!isLargest) return basics;
    tell('instances come and go');
    const arrivals = await measureArrivals(subject, stage, changes, FLOOR_GAP_MS);
    tell('one large service');
    return { ...basics, arrivals, giant: await measureGiant(subject, stage) };
  });
}

async function measureConsular(
  program: Program,
  stage: Stage,
  { flips, changes, idleSeconds }: ToKubernetesOptions,
  isLargest: boolean,
): Promise<Measured> {
  const measured = await alive(program, stage, async (subject, tell) => {
    const basics = await measureBasics(subject, stage, flips, tell);
    if (!isLargest) return basics;
    tell(`${changes} instances come and go`);
    const arrivals = await measureArrivals(subject, stage, changes, ARRIVAL_GAP_MS);
    tell(`${changes} instances come and go while pods flip`);
    const busyArrivals = await whilePodsFlip(stage, () => measureArrivals(subject, stage, changes, ARRIVAL_GAP_MS));
    tell('one large service');
    return { ...basics, arrivals, busyArrivals, giant: await measureGiant(subject, stage) };
  });
  if (!isLargest) return measured;
  say(`${program.name}, ${stage.services} services: restarting with nothing changed, then idle for ${idleSeconds} s`);
  return { ...measured, quiet: await measureQuiet(program, stage, idleSeconds) };
}

type Life = Omit<Measured, 'cpuSeconds' | 'peakMiB'>;

async function alive(
  program: Program,
  { services }: Stage,
  live: (subject: Mirrorer, tell: (what: string) => void) => Promise<Life>,
): Promise<Measured> {
  const tell = (what: string) => say(`${program.name}, ${services} services: ${what}`);
  tell('starting');
  const subject = await program.start();
  try {
    const life = await live(subject, tell);
    return { ...life, cpuSeconds: await subject.cpuSeconds(), peakMiB: (await subject.memory()).peakMiB };
  } finally {
    await subject.stop();
  }
}

async function measureBasics(
  subject: Mirrorer,
  stage: Stage,
  flips: number,
  tell: (what: string) => void,
): Promise<Pick<Measured, 'first' | 'flips'>> {
  const first = await measureFirstMirror(subject, stage);
  await measureFlips(subject, stage, WARM_UP_FLIPS);
  tell(`${flips} changes of health`);
  return { first, flips: await measureFlips(subject, stage, flips) };
}

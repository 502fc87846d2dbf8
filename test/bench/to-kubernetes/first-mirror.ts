import { startStopwatch, type Spent } from '../cpu.ts';
import { instancesOf } from './instances.ts';
import type { Writes } from './mirror.ts';
import type { Mirrorer } from './programs.ts';
import type { Stage } from './stage.ts';

/** A start with an empty Kubernetes, from the start of the process. */
export interface FirstMirror {
  /** Every endpoint in a slice. */
  readonly mirroredMs: number;
  /** The last object written. */
  readonly settledMs: number;
  readonly writes: Writes;
  /** Of the program since its start, of the others while it mirrored. */
  readonly spent: Spent;
}

/** Whoever has more to write does so before this has passed. */
const QUIET_MS = 3000;

export async function measureFirstMirror(subject: Mirrorer, { mirror, services, parts }: Stage): Promise<FirstMirror> {
  const stopwatch = await startStopwatch({ ...parts, subject: subject.pid });
  const elapsed = (at: number) => at - performance.now() + Date.now() - subject.startedAt;
  await subject.during(mirror.untilTotal(instancesOf(services)));
  const mirroredMs = elapsed(performance.now());
  await subject.during(mirror.untilQuiet(QUIET_MS));
  return {
    mirroredMs,
    settledMs: elapsed(mirror.lastWrite),
    writes: mirror.writes,
    spent: { ...(await stopwatch()), subject: await subject.cpuSeconds() },
  };
}

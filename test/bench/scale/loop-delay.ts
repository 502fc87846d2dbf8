/**
 * Loaded into Consular before its own code (NODE_OPTIONS=--import): measures for how long its event loop did not turn.
 * Environment: LOOP_DELAY_FOLDER, where a file named by the process ID has what was measured so far. As long as there is a
 * file `rest` in it, nothing is measured: timers that often are more than what an idle program does by itself.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';

/** A timer of Node's own so often; each time the timer is late, that is a delay. */
const RESOLUTION_MS = 10;
/** A timer of ours, which sees what Node's does not: the CPU time that passed. */
const LOOK_MS = 20;
const WRITE_MS = 2000;
/** Since Node 23.9, which is newer than the types that we build with. */
const { threadCpuUsage } = process as unknown as { threadCpuUsage?: () => { user: number; system: number } };

const folder = process.env.LOOP_DELAY_FOLDER ?? '';
/** One for each time between two rests: it would count a rest as a delay. */
const histograms: IntervalHistogram[] = [];
const slots: { readonly at: number; readonly maxMs: number; readonly cpuMaxMs: number }[] = [];
let [lookedAt, cpuAt] = [performance.now(), cpuMs()];
let slot = { maxMs: 0, cpuMaxMs: 0 };

/** Of the thread of the event loop; the collector of garbage and the compiler have others beside it. */
function cpuMs(): number {
  const { user, system } = threadCpuUsage?.() ?? { user: NaN, system: NaN };
  return (user + system) / 1000;
}

function look(): void {
  const [now, cpu] = [performance.now(), cpuMs()];
  slot = { maxMs: Math.max(slot.maxMs, now - lookedAt - LOOK_MS), cpuMaxMs: Math.max(slot.cpuMaxMs, cpu - cpuAt) };
  [lookedAt, cpuAt] = [now, cpu];
}

/** Of all histograms together, to a thousandth of each. */
function percentile99(all: readonly IntervalHistogram[]): number {
  const parts = all
    .flatMap((histogram) =>
      Array.from({ length: 1000 }, (_, i) => ({
        value: histogram.percentile((i + 1) / 10),
        weight: histogram.count / 1000,
      })),
    )
    .sort((a, b) => a.value - b.value);
  let left = 0.99 * parts.reduce((sum, { weight }) => sum + weight, 0);
  for (const { value, weight } of parts) {
    left -= weight;
    if (left <= 0) return value;
  }
  return 0;
}

function write(): void {
  slots.push({ at: Date.now(), ...slot });
  slot = { maxMs: 0, cpuMaxMs: 0 };
  // The figures have the wait of the timer in them.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const measured = histograms.filter(({ count }) => count > 0);
  const p99Ms = late(percentile99(measured));
  const maxMs = Math.max(0, ...measured.map(({ max }) => late(max)));
  const cpuMaxMs = Math.max(...slots.map((each) => each.cpuMaxMs));
  writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify({ p99Ms, maxMs, cpuMaxMs, slots }));
}

let looks: NodeJS.Timeout | undefined;

function begin(): void {
  [lookedAt, cpuAt] = [performance.now(), cpuMs()];
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  histograms.push(histogram);
  looks = setInterval(look, LOOK_MS).unref();
}

function rest(): void {
  histograms.at(-1)?.disable();
  clearInterval(looks);
  looks = undefined;
}

begin();
setInterval(() => {
  const isResting = existsSync(join(folder, 'rest'));
  if (!isResting && !looks) begin();
  if (isResting && looks) rest();
  write();
}, WRITE_MS).unref();
process.on('exit', () => {
  if (looks) look();
  write();
});

/**
 * Loaded into Consular before its own code (NODE_OPTIONS=--import): measures for how long its event loop did not turn.
 * Environment: LOOP_DELAY_FOLDER, where a file named by the process ID has what was measured so far. As long as there is a
 * file `rest` in it, nothing is measured: timers that often are more than what an idle program does by itself.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** A timer of Node's own so often; each time the timer is late, that is a delay. */
const RESOLUTION_MS = 10;
/** A timer of ours, which sees what Node's does not: the CPU time that passed. */
const LOOK_MS = 20;
const WRITE_MS = 2000;
/** Since Node 23.9, which is newer than the types that we build with. */
const { threadCpuUsage } = process as unknown as { threadCpuUsage?: () => { user: number; system: number } };

const folder = process.env.LOOP_DELAY_FOLDER ?? '';
const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
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

function write(): void {
  slots.push({ at: Date.now(), ...slot });
  slot = { maxMs: 0, cpuMaxMs: 0 };
  // The figures have the wait of the timer in them.
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  const isMeasured = histogram.count > 0;
  const [p99Ms, maxMs] = isMeasured ? [late(histogram.percentile(99)), late(histogram.max)] : [0, 0];
  const cpuMaxMs = Math.max(...slots.map((each) => each.cpuMaxMs));
  writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify({ p99Ms, maxMs, cpuMaxMs, slots }));
}

let looks: NodeJS.Timeout | undefined;

function begin(): void {
  [lookedAt, cpuAt] = [performance.now(), cpuMs()];
  histogram.enable();
  looks = setInterval(look, LOOK_MS).unref();
}

function rest(): void {
  histogram.disable();
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

import { readdir, readFile } from 'node:fs/promises';

/** What a process and its descendants use, as Linux counts it. */
export interface Usage {
  /** User and system, since the start; ended children that were waited for included. */
  readonly cpuSeconds: number;
  readonly residentMiB: number;
  /** The sum of each one's own peak. */
  readonly peakMiB: number;
}

/** Linux counts in hundredths of a second, whatever its clock does. */
const TICKS_PER_SECOND = 100;
const NOTHING: Usage = { cpuSeconds: 0, residentMiB: 0, peakMiB: 0 };

/** @throws Error when the process itself is gone; a descendant that ends meanwhile counts with its parent. */
export async function usageOf(pid: number): Promise<Usage> {
  const own = await usageOfOne(pid);
  const descendants = (await childrenOf(pid)).map((child) => usageOf(child).catch(() => NOTHING));
  return (await Promise.all(descendants)).reduce(add, own);
}

export async function cpuSecondsOf(pid: number): Promise<number> {
  return (await usageOf(pid)).cpuSeconds;
}

function add(a: Usage, b: Usage): Usage {
  return {
    cpuSeconds: a.cpuSeconds + b.cpuSeconds,
    residentMiB: a.residentMiB + b.residentMiB,
    peakMiB: a.peakMiB + b.peakMiB,
  };
}

async function usageOfOne(pid: number): Promise<Usage> {
  const [stat, status] = await Promise.all(['stat', 'status'].map((what) => readFile(`/proc/${pid}/${what}`, 'utf8')));
  return { cpuSeconds: cpuSecondsIn(stat ?? ''), ...memoryIn(status ?? '') };
}

/** @param stat as proc_pid_stat(5) has it: utime, stime, cutime and cstime are fields 14 to 17 */
export function cpuSecondsIn(stat: string): number {
  // The second field is the name of the program, which may have blanks and brackets; the third comes after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

/** @param status as proc_pid_status(5) has it */
export function memoryIn(status: string): Pick<Usage, 'residentMiB' | 'peakMiB'> {
  const mebibytes = (field: string) =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? NaN) / 1024;
  return { residentMiB: mebibytes('VmRSS'), peakMiB: mebibytes('VmHWM') };
}

/** Each thread has children of its own. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => ''));
  return (await Promise.all(lists)).flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcess, type RunDirectory } from '../control-plane/index.ts';

/** A program that is measured: Consular, or the floor; a process of its own, whose output goes to a file. */
export interface Subject {
  readonly name: string;
  /** Date.now() when it was started. */
  readonly startedAt: number;
  /** CPU seconds that it has used so far. */
  cpuSeconds(): Promise<number>;
  memory(): Promise<Memory>;
  /** Everything that it has written so far, complete lines only. */
  lines(): Promise<string[]>;
  /** Runs until the work is done. @throws Error as soon as the program ends before that. */
  during<T>(work: Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export interface Memory {
  readonly residentMiB: number;
  readonly peakMiB: number;
}

const ALIVE_INTERVAL_MS = 250;
let starts = 0;

/** Node with the given arguments: one bundled file, so that no compiler is in the figures. */
export async function startSubject(
  run: RunDirectory,
  name: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Subject> {
  const file = `${name}-${++starts}`;
  const startedAt = Date.now();
  const child = await startProcess({
    name: file,
    program: { file: process.execPath, prefix: [] },
    arguments: args,
    run,
    environment: { ...process.env, ...environment },
  });
  const proc = (what: string) => readFile(`/proc/${child.pid}/${what}`, 'utf8');
  const dead = () => new Error(`${name} ${child.ended() ?? 'is gone'}. Its last lines:\n${child.lastLines()}`);
  return {
    name,
    startedAt,
    cpuSeconds: async () => {
      const fields = (await proc('stat')).split(') ')[1]?.split(' ') ?? [];
      // utime and stime, in clock ticks: a hundredth of a second on Linux.
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    memory: async () => {
      const status = await proc('status');
      const mebibytes = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024;
      return { residentMiB: mebibytes('VmRSS'), peakMiB: mebibytes('VmHWM') };
    },
    lines: async () => (await readFile(join(run.path, `${file}.log`), 'utf8')).split('\n').slice(0, -1),
    during: async (work) => {
      const done = new AbortController();
      const watch = async (): Promise<never> => {
        while (child.ended() === undefined) await sleep(ALIVE_INTERVAL_MS, undefined, { signal: done.signal });
        throw dead();
      };
      try {
        return await Promise.race([work, watch()]);
      } finally {
        done.abort();
      }
    },
    stop: () => child.end('SIGTERM'),
  };
}

/** Figures on stdout, progress here. */
export function say(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

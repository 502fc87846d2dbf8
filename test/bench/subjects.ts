import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcess, type RunDirectory } from '../control-plane/index.ts';
import { findImageNode } from './image-node.ts';
import { cpuSecondsOf, usageOf, type Usage } from './usage.ts';

/** A program that is measured: Consular, or the floor; a process of its own, whose output goes to a file. */
export interface Subject {
  readonly name: string;
  readonly pid: number;
  /** Date.now() when it was started. */
  readonly startedAt: number;
  /** CPU seconds that it and its children have used so far. */
  cpuSeconds(): Promise<number>;
  memory(): Promise<Omit<Usage, 'cpuSeconds'>>;
  /** Everything that it has written so far, complete lines only. */
  lines(): Promise<string[]>;
  /** Runs until the work is done. @throws Error as soon as the program ends before that. */
  during<T>(work: Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

const ALIVE_INTERVAL_MS = 250;
let starts = 0;

/** The Node of the image with the given arguments: one bundled file, so that no compiler is in the figures. */
export async function startSubject(
  run: RunDirectory,
  name: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Subject> {
  const file = `${name}-${++starts}`;
  const node = await findImageNode();
  const startedAt = Date.now();
  const child = await startProcess({
    name: file,
    program: { file: node.file, prefix: [] },
    arguments: args,
    run,
    environment: { ...process.env, ...environment },
  });
  const dead = () => new Error(`${name} ${child.ended() ?? 'is gone'}. Its last lines:\n${child.lastLines()}`);
  return {
    name,
    pid: child.pid,
    startedAt,
    cpuSeconds: () => cpuSecondsOf(child.pid),
    memory: () => usageOf(child.pid),
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

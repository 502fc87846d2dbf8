import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunDirectory } from './run-directory.ts';

export interface Program {
  readonly file: string;
  /** What comes before the caller's own arguments: the name of the part, when several parts are one program. */
  readonly prefix: readonly string[];
}

export interface ProcessOptions {
  /** Unique in its run directory. */
  readonly name: string;
  readonly program: Program;
  readonly arguments: readonly string[];
  readonly run: RunDirectory;
  /** The whole environment. Servers get an empty one: etcd, for one, takes settings from it. @default {} */
  readonly environment?: NodeJS.ProcessEnv;
  readonly directory?: string;
}

export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** How the process ended, in words; undefined while it runs. */
  ended(): string | undefined;
  /** The end of what the process wrote. */
  lastLines(): string;
  /** Sends the signal, and SIGKILL to what is still there 10 seconds later; returns when the process is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

const SHOWN_LINES = 40;
const END_LIMIT = 10_000;
const POLL_INTERVAL = 50;

/**
 * Starts a process that ends, at the latest, with its run directory. Its output goes to a file, not to a pipe: a server
 * must not stand still because the test that uses it is too busy to read its log.
 */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const { name, program, run } = options;
  const logFile = join(run.path, `${name}.log`);
  const pidFile = join(run.path, `${name}.pid`);
  const log = openSync(logFile, 'a');
  const child = spawn(program.file, [...program.prefix, ...options.arguments], {
    cwd: options.directory ?? run.path,
    detached: true, // a group of its own, which is what the guard of the run directory ends
    env: options.environment ?? {},
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const { pid } = child;
  child.once('exit', () => rmSync(pidFile, { force: true }));
  if (pid === undefined) {
    const [cause] = (await once(child, 'error')) as [Error];
    throw new Error(`Cannot start ${name} (${program.file}): ${cause.message}`, { cause });
  }
  writeFileSync(pidFile, String(pid));
  child.unref(); // a caller that forgets to stop the process still ends, and then so does the process
  return {
    name,
    pid,
    ended: () => ending(child),
    lastLines: () => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-SHOWN_LINES).join('\n'),
    end: (signal) => end(child, signal),
  };
}

function ending(child: ChildProcess): string | undefined {
  if (child.signalCode !== null) return `was ended by ${child.signalCode}`;
  if (child.exitCode !== null) return `ended with exit code ${child.exitCode}`;
  return undefined;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (ending(child) !== undefined) return;
  child.ref();
  const gone = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), END_LIMIT);
  await gone;
  clearTimeout(timer);
}

/**
 * Waits until the condition holds; a condition that throws does not hold yet. Fails at once when the process ends, and
 * when the limit has passed, with the end of the process's output either way.
 */
export async function waitUntilReady(
  process: RunningProcess,
  condition: () => Promise<boolean>,
  limit = 120_000, // milliseconds; a start takes seconds, also on a machine that is busy with something else
): Promise<void> {
  const deadline = Date.now() + limit;
  let cause: unknown;
  while (Date.now() < deadline) {
    const how = process.ended();
    if (how !== undefined) throw notReady(process, `it ${how}`, cause);
    try {
      if (await condition()) return;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await sleep(POLL_INTERVAL);
  }
  throw notReady(process, `not within ${limit / 1000} s`, cause);
}

function notReady(process: RunningProcess, why: string, cause: unknown): Error {
  return new Error(`${process.name} did not become ready: ${why}. Its last lines:\n${process.lastLines()}`, { cause });
}

/** A process that a test ends and starts again; without a goodbye, unless the test names another signal. */
export interface Restartable {
  readonly pid: () => number;
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
  readonly start: () => Promise<void>;
}

export function restartable(first: RunningProcess, startAgain: () => Promise<RunningProcess>): Restartable {
  let running = first;
  return {
    pid: () => running.pid,
    stop: (signal = 'SIGKILL') => running.end(signal),
    start: async () => {
      if (running.ended() === undefined) throw new Error(`Cannot start ${running.name}: it runs already`);
      running = await startAgain();
    },
  };
}

import { totalmem } from 'node:os';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/**
 * Room for young objects that does not grow: a larger one, to which it would grow at the start, stays in memory as long as the
 * process. V8 takes this at its start only.
 */
const AT_START = ['--min-semi-space-size=8', '--max-semi-space-size=8'];
/** A size that somebody said; and a debugger, which would lose the process. In NODE_OPTIONS an option may be quoted. */
const LEAVE_ALONE = /^"?--(?:(?:min|max)[-_]semi[-_]space[-_]size\b|inspect)/;
/** From this size on the heap grows by a third before it is swept, not by as much again. MiB. */
const LARGE_MIB = 96;
const GROWTH = '--heap-growing-percent=30';
const LOOK_MS = 250;

/** Bytes at which the system ends this process: the limit of its container where there is one, else the memory of the machine. */
export function memoryLimit(ofContainer = process.constrainedMemory(), ofMachine = totalmem()): number {
  // Without a limit the kernel says 0, or a number beyond all memory.
  return ofContainer > 0 ? Math.min(ofContainer, ofMachine) : ofMachine;
}

/** How a process was started. */
export type Started = Pick<NodeJS.Process, 'execPath' | 'execArgv' | 'argv' | 'env'> & {
  /** Of Node.js 22.15 and later, which the types of the oldest supported one do not know. */
  execve?(file: string, args: readonly string[], env: NodeJS.ProcessEnv): never;
};

/** The options of Node to start anew with; undefined when it has them, or when whoever started it has a will of his own. */
export function missingOptions({ execArgv, env }: Pick<Started, 'execArgv' | 'env'>): string[] | undefined {
  const given = [...execArgv, ...(env.NODE_OPTIONS ?? '').split(/\s+/)];
  return given.some((option) => LEAVE_ALONE.test(option)) ? undefined : [...AT_START, ...execArgv];
}

/**
 * Becomes the same program with the options that V8 wants at its start: same process, same arguments, before anything was read.
 * Node.js before 22.15 cannot do that, and some systems do not allow it: then it goes on without, which costs memory only.
 */
export function startWithHeapOptions(started: Started): void {
  const { execPath, argv, env } = started;
  const options = missingOptions(started);
  if (!options) return;
  try {
    started.execve?.(execPath, [execPath, ...options, ...argv.slice(1)], env);
  } catch {
    // It goes on as it was started.
  }
}

/** Whether the heap is large, and grows by less from now on. */
export function growLess(usedBytes = getHeapStatistics().used_heap_size): boolean {
  if (usedBytes < LARGE_MIB * 2 ** 20) return false;
  setFlagsFromString(GROWTH);
  return true;
}

/** Looks at the size of the heap until it is large. It keeps no process alive. */
export function watchHeap(): void {
  const timer = setInterval(() => {
    if (growLess()) clearInterval(timer);
  }, LOOK_MS).unref();
}

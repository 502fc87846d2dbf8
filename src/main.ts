#!/usr/bin/env node
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { startWithHeapOptions, watchHeap } from './heap.ts';

/** Set by the bundler; a run from source has none. */
declare const CONSULAR_VERSION: string | undefined;

// As long as nobody listens, a signal ends a process, and is lost on one whose ID is 1, as in a container.
const signalled = process.argv[2] === 'run' ? untilSignal() : undefined;
if (signalled) {
  // One that was sent already is heard in the next turn of the event loop, and would be forgotten by starting anew.
  const early = await Promise.race([signalled, nextTurn(undefined)]);
  if (early === undefined) startWithHeapOptions(process);
  watchHeap();
}
const { runCommandLine } = await import('./commands/command-line.ts');
process.exitCode = await runCommandLine({
  args: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  version: typeof CONSULAR_VERSION === 'undefined' ? 'development' : CONSULAR_VERSION,
  ask: process.stdin.isTTY && process.stderr.isTTY ? askAtTerminal : undefined,
  untilSignal: () => signalled ?? untilSignal(),
});

/** Resolves with the first signal that tells the program to end. */
function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
}

async function askAtTerminal(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Whoever closes the terminal says nothing.
    return await Promise.race([terminal.question(question), once(terminal, 'close').then(() => '')]);
  } finally {
    terminal.close();
  }
}

#!/usr/bin/env node
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { startWithHeapOptions, watchHeap } from './heap.ts';

/** Set by the bundler; a run from source has none. */
declare const CONSULAR_VERSION: string | undefined;

if (process.argv[2] === 'run') {
  startWithHeapOptions(process);
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
  untilSignal: () =>
    new Promise((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
    }),
});

async function askAtTerminal(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Whoever closes the terminal says nothing.
    return await Promise.race([terminal.question(question), once(terminal, 'close').then(() => '')]);
  } finally {
    terminal.close();
  }
}

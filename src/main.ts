import { runCommandLine } from './commands/command-line.ts';

/** Set by the bundler; a run from source has none. */
declare const CONSULAR_VERSION: string | undefined;

process.exitCode = await runCommandLine({
  args: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  version: typeof CONSULAR_VERSION === 'undefined' ? 'development' : CONSULAR_VERSION,
  untilSignal: () =>
    new Promise((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
    }),
});

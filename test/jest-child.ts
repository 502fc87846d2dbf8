import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** What Node is given to run Jest, as package.json does. */
export const JEST = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];

/** Waits for a process that runs tests, and ends it with this one. @returns its exit code */
export async function untilTestsEnd(tests: ChildProcess): Promise<number> {
  // Ctrl-C reaches the tests from the terminal; what ends this process has to end them too.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => tests.kill(signal));
  const [code] = (await once(tests, 'exit')) as [number | null];
  return code ?? 1;
}

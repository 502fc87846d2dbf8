import { fileURLToPath } from 'node:url';

/** What Node is given to run Consular: the bundle, which knows by itself how its heap grows. */
export function consularCommand(configFile: string): string[] {
  return [fileURLToPath(new URL('../../dist/consular.mjs', import.meta.url)), 'run', '--config', configFile];
}

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startProcess, waitUntilReady, type RunDirectory } from '../control-plane/index.ts';
import { freePort, withFreshPorts } from '../control-plane/ports.ts';
import { BUNDLE, bundle } from './bundle.ts';

/** The daemon, as a user runs it: the bundle, in a process of its own. */
export interface Consular {
  readonly configFile: string;
  /** Of its status server. */
  readonly address: string;
  /** SIGTERM; returns how the process ended, in words. */
  stop(): Promise<string | undefined>;
  lastLines(): string;
}

/** Starts the daemon with these settings and waits until it says that it is ready. */
export async function startConsular(run: RunDirectory, settings: object): Promise<Consular> {
  await bundle();
  return withFreshPorts(async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const configFile = join(run.path, 'consular.yaml');
    writeFileSync(configFile, stringify({ ...settings, http: { address }, log: { format: 'text' } }));
    const daemon = await startProcess({
      name: 'consular',
      program: { file: process.execPath, prefix: [BUNDLE] },
      arguments: ['run', '--config', configFile],
      run,
    });
    await waitUntilReady(daemon, async () => (await fetch(`http://${address}/readyz`)).ok, 30_000);
    return {
      configFile,
      address: `http://${address}`,
      stop: async () => {
        await daemon.end('SIGTERM');
        return daemon.ended();
      },
      lastLines: () => daemon.lastLines(),
    };
  });
}

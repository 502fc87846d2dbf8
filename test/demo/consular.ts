import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from '../control-plane/build-lock.ts';
import { startProcess, waitUntilReady, type ControlPlane, type RunDirectory } from '../control-plane/index.ts';
import { freePort, withFreshPorts } from '../control-plane/ports.ts';

/** The daemon, as a user runs it: the bundle, in a process of its own. */
export interface Consular {
  readonly configFile: string;
  /** Of its status server. */
  readonly address: string;
  /** SIGTERM; returns how the process ended, in words. */
  stop(): Promise<string | undefined>;
  lastLines(): string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUNDLE = join(ROOT, 'dist', 'consular.js');
export const CLUSTER = 'demo';
/** Short, so that nobody has to wait for a mirrored Service to go. */
export const REMOVAL_GRACE = '2s';

/** Starts the daemon and waits until it says that it is ready. */
export async function startConsular(plane: ControlPlane, run: RunDirectory): Promise<Consular> {
  await bundle();
  return withFreshPorts(async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const configFile = join(run.path, 'consular.yaml');
    writeFileSync(configFile, configuration(plane, address));
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

function configuration({ kubernetes, consul }: ControlPlane, address: string): string {
  return [
    `cluster: ${CLUSTER}`,
    'kubernetes:',
    `  kubeconfig: ${JSON.stringify(kubernetes.kubeconfig)}`,
    'consul:',
    `  address: ${consul.address}`,
    'toKubernetes:',
    `  removalGrace: ${REMOVAL_GRACE}`,
    'http:',
    `  address: ${address}`,
    'log:',
    '  format: text',
    '',
  ].join('\n');
}

/** Makes dist/consular.js when it is missing or older than its source; one demo at a time, as there may be several. */
async function bundle(): Promise<void> {
  if (isBundled()) return;
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  await withLock(join(ROOT, 'dist', '.lock'), async () => {
    if (isBundled()) return;
    const build = spawn(process.execPath, ['build.js'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = (await once(build, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`build dist/consular.js: expected build.js to end with exit code 0, found ${code}`);
  });
}

function isBundled(): boolean {
  if (!existsSync(BUNDLE)) return false;
  const built = statSync(BUNDLE).mtimeMs;
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join('src', name),
  );
  return [...sources, 'package.json', 'build.js'].every((file) => statSync(join(ROOT, file)).mtimeMs < built);
}

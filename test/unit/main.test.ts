import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NOWHERE = '127.0.0.1:1';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consular-main-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function writeSettings(file: string): Promise<string> {
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(
    kubeconfig,
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
      clusters: [{ name: 'c', cluster: { server: `https://${NOWHERE}` } }],
      users: [{ name: 'c', user: { token: 'x' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
    }),
  );
  const settings = {
    cluster: 'dev',
    kubernetes: { kubeconfig },
    consul: { address: `http://${NOWHERE}` },
    leaderElection: { enabled: false },
    http: { address: '127.0.0.1:0' },
  };
  await writeFile(file, JSON.stringify(settings));
  return JSON.stringify(settings);
}

it('a signal that comes before the daemon has read its configuration ends it, as any later one does', async () => {
  // Whoever reads a pipe waits for its writer: so long the daemon is at its beginning.
  const pipe = join(folder, 'consular.yaml');
  await promisify(execFile)('mkfifo', [pipe]);
  const text = await writeSettings(join(folder, 'settings'));
  const daemon = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'run', '--config', pipe], { cwd: ROOT });
  const ended = once(daemon, 'exit');
  let log = '';
  daemon.stderr.on('data', (piece: Buffer) => (log += piece.toString()));
  const writer = await open(pipe, 'w');
  daemon.kill('SIGTERM');
  // It looks at its file again, and would wait for a writer for ever.
  await rename(join(folder, 'settings'), pipe);
  await writer.writeFile(text).catch(() => undefined);
  await writer.close();
  expect(await ended).toEqual([0, null]);
  expect(log).toContain('stopping, nothing is removed');
}, 30_000);

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder with processes that live in it, and end with it. */
export interface RunDirectory {
  readonly path: string;
  /** Kills every process that was started in the folder and removes the folder. */
  close(): Promise<void>;
}

/**
 * The guard waits until its standard input ends, which happens when the folder is closed and also when whoever opened
 * the folder dies, however hard: then it kills what runs in the folder, and removes it. An ordinary stop takes the same
 * way, so the way that cleans up after a crash is the one that every test takes.
 *
 * - `<name>.pid` holds the leader of a process group. Killing is fine: nothing that runs here outlives the folder.
 * - What was just killed may still write for a moment, so removing is tried again, for 5 seconds in all.
 */
const GUARD = `
trap '' INT TERM HUP
while read -r _; do :; done
for file in "$1"/*.pid; do
  [ -s "$file" ] && kill -s KILL -- "-$(cat "$file")" 2>/dev/null
done
tries=0
until rm -rf "$1" 2>/dev/null || [ $tries -ge 25 ]; do
  tries=$((tries + 1))
  sleep 0.2
done
`;

export async function openRunDirectory(name: string): Promise<RunDirectory> {
  const path = await mkdtemp(join(tmpdir(), `consular-${name}-`));
  const guard = await startGuard(path);
  let closed: Promise<void> | undefined;
  return { path, close: () => (closed ??= endGuard(guard, path)) };
}

async function startGuard(path: string): Promise<ChildProcess> {
  // Detached, so that Ctrl-C in a terminal reaches the caller only. Its error output must not be the caller's: whoever
  // reads the caller's output would wait for the guard to end.
  const guard = spawn('sh', ['-c', GUARD, 'guard', path], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.stdin?.on('error', () => undefined);
  await once(guard, 'spawn');
  guard.unref();
  return guard;
}

async function endGuard(guard: ChildProcess, path: string): Promise<void> {
  if (guard.exitCode !== null || guard.signalCode !== null) {
    throw new Error(`Cannot end the processes of ${path}: their guard (process ${guard.pid}) is gone`);
  }
  guard.ref();
  guard.stdin?.end();
  await once(guard, 'exit');
}

import { readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_INTERVAL = 500;
const WAIT_LIMIT = 30 * 60_000;

/**
 * Runs the work while no other process runs it. Two processes that both find the lock of a dead one can, with bad luck,
 * run at once; that costs time and nothing else, as each build has a file of its own until it is complete.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  await acquire(file);
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function acquire(file: string): Promise<void> {
  const deadline = Date.now() + WAIT_LIMIT;
  while (Date.now() < deadline) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (await isAbandoned(file)) await rm(file, { force: true });
    else await sleep(LOOK_INTERVAL);
  }
  throw new Error(`Cannot lock ${file}: another process has held it for ${WAIT_LIMIT / 60_000} minutes`);
}

async function isAbandoned(file: string): Promise<boolean> {
  const holder = Number(await readFile(file, 'utf8').catch(() => ''));
  if (!Number.isInteger(holder) || holder <= 0) return false; // released, or being written
  try {
    process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

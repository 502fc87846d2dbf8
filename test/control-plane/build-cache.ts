import { access, cp, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from './build-lock.ts';
import type { RunningProcess } from './process.ts';
import { openRunDirectory, type RunDirectory } from './run-directory.ts';

/** What is built once for all work trees, and how. */
export interface Recipe {
  readonly title: string;
  /** Of what is built, below the cache; names everything that the result depends on. */
  readonly path: string;
  /** How long a build from nothing takes, in words. */
  readonly duration: string;
  /** Starts the compiler, or what else makes it. */
  readonly start: (run: RunDirectory) => Promise<Compilation>;
}

export interface Compilation {
  readonly compiler: RunningProcess;
  /** The file or folder that it writes. */
  readonly product: string;
}

const PROGRESS_INTERVAL = 10_000;
const BUILD_LIMIT = 60 * 60_000;

/** The path of what the recipe makes: from the cache, or built now and kept in the cache. */
export async function cached(recipe: Recipe): Promise<string> {
  const home = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'consular');
  const file = join(home, recipe.path);
  if (await exists(file)) return file;
  await mkdir(dirname(file), { recursive: true });
  // One lock for all builds: a single one keeps a machine busy, and its memory.
  return withLock(join(home, 'lock'), async () => {
    if (!(await exists(file))) await buildInto(file, recipe);
    return file;
  });
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function buildInto(file: string, { title, duration, start }: Recipe): Promise<void> {
  // In the folder of the file: only within a file system is a file there at once and whole.
  const temporary = `${file}.${process.pid}`;
  const run = await openRunDirectory('build');
  try {
    const { compiler, product } = await start(run);
    say(`building ${title}: the first build takes about ${duration} on two cores, then it is cached`);
    await waitForCompiler(compiler, title);
    await cp(product, temporary, { recursive: true });
    await rename(temporary, file);
    say(`built ${title}: ${file}`);
  } finally {
    await run.close();
    await rm(temporary, { recursive: true, force: true });
  }
}

async function waitForCompiler(compiler: RunningProcess, title: string): Promise<void> {
  const start = Date.now();
  let shown = start;
  while (compiler.ended() === undefined) {
    await sleep(100);
    const now = Date.now();
    if (now - start > BUILD_LIMIT)
      throw new Error(`Building ${title} did not end within ${BUILD_LIMIT / 60_000} minutes`);
    if (now - shown < PROGRESS_INTERVAL) continue;
    shown = now;
    say(`building ${title}: ${Math.round((now - start) / 1000)} s`);
  }
  const how = compiler.ended();
  if (how !== 'ended with exit code 0') {
    throw new Error(`Building ${title} failed: ${compiler.name} ${how}. Its last lines:\n${compiler.lastLines()}`);
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

import { createHash } from 'node:crypto';
import { access, mkdir, readFile, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from './build-lock.ts';
import { startProcess, type RunningProcess } from './process.ts';
import { openRunDirectory, type RunDirectory } from './run-directory.ts';

/** A folder with a go.mod beside this file, and what `go build` makes of it. */
export interface Build {
  readonly title: string;
  readonly folder: 'kubernetes' | 'consul';
  readonly package: string;
  /** The module whose version is the version of the whole. */
  readonly module: string;
  /** How long a build from nothing takes on two cores. */
  readonly minutes: number;
  readonly linkerFlags: (version: string) => readonly string[];
}

const PROGRESS_INTERVAL = 10_000;
const BUILD_LIMIT = 60 * 60_000;

/** The path of the built program: from the cache, or built now and kept in the cache. */
export async function build(what: Build): Promise<string> {
  const source = await readSource(what);
  const cache = join(cacheHome(), 'consular', 'control-plane');
  const program = join(cache, `${what.folder}-${source.version}-${source.hash}`, what.folder);
  if (await exists(program)) return program;
  await mkdir(dirname(program), { recursive: true });
  // One lock for all builds: a single one keeps a machine busy, and its memory.
  return withLock(join(cache, 'lock'), async () => {
    if (await exists(program)) return program;
    await buildInto(program, what, source.version);
    return program;
  });
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

function cacheHome(): string {
  return process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
}

function folderOf(what: Build): string {
  return fileURLToPath(new URL(`./${what.folder}/`, import.meta.url));
}

async function readSource(what: Build): Promise<{ version: string; hash: string }> {
  const folder = folderOf(what);
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${what.linkerFlags('').join(' ')}`);
  for (const file of (await readdir(folder)).sort()) {
    hash.update(`\n${file}\n`).update(await readFile(join(folder, file)));
  }
  const modules = await readFile(join(folder, 'go.mod'), 'utf8');
  const version = modules
    .split('\n')
    .find((line) => line.includes(` ${what.module} `) || line.startsWith(`\t${what.module} `));
  const number = version?.match(/ (v\d+\.\d+\.\d+)/)?.[1];
  if (number === undefined) throw new Error(`Cannot find the version of ${what.module} in ${join(folder, 'go.mod')}`);
  return { version: number, hash: hash.digest('hex').slice(0, 16) };
}

async function buildInto(program: string, what: Build, version: string): Promise<void> {
  const temporary = `${program}.${process.pid}`;
  const run = await openRunDirectory('build');
  const title = `${what.title} ${version}`;
  try {
    const flags = [
      '-mod=readonly',
      '-buildvcs=false',
      '-trimpath',
      '-ldflags',
      ['-s', '-w', ...what.linkerFlags(version)].join(' '),
    ];
    const compiler = await startGo(['build', ...flags, '-o', temporary, what.package], folderOf(what), run);
    say(`building ${title}: the first build takes about ${what.minutes} minutes on two cores, then it is cached`);
    await waitForCompiler(compiler, title);
    await rename(temporary, program);
    say(`built ${title}: ${program}`);
  } finally {
    await run.close();
    await rm(temporary, { force: true });
  }
}

async function startGo(args: readonly string[], directory: string, run: RunDirectory): Promise<RunningProcess> {
  const environment = { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' };
  const program = { file: 'go', prefix: [] };
  try {
    return await startProcess({ name: 'go', program, arguments: args, run, environment, directory });
  } catch (cause) {
    throw new Error(
      'Cannot build the control plane of the tests: no Go toolchain. Either install Go 1.26 or later, or set ' +
        'KUBEBUILDER_ASSETS (a folder with etcd, kube-apiserver and kube-controller-manager) and CONSUL_BIN (the ' +
        'consul program).',
      { cause },
    );
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
    throw new Error(`Building ${title} failed: go ${how}. Its last lines:\n${compiler.lastLines()}`);
  }
}

function say(line: string): void {
  process.stderr.write(`control plane: ${line}\n`);
}

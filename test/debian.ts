import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** A program, or a few words that say why there is none. */
export type Found = { readonly file: string } | { readonly missing: string };

export interface WantedProgram {
  /** For people. */
  readonly title: string;
  /** Of the program's file; the first that is found. */
  readonly names: readonly string[];
  /** Of Debian. */
  readonly packages: readonly string[];
}

// Where Debian's packages put programs, those for administrators too: a user's PATH may leave them out.
const FOLDERS = ['/usr/bin', '/usr/sbin'];

/** From Debian's folders or the PATH; else Debian's packages are installed now, when this process may do so. */
export async function findProgram(wanted: WantedProgram, environment = process.env): Promise<Found> {
  const found = await look(wanted, environment);
  if (found !== undefined) return { file: found };
  const failure = await install(wanted);
  const installed = await look(wanted, environment);
  return installed === undefined ? { missing: failure } : { file: installed };
}

async function look({ names }: WantedProgram, { PATH = '' }: NodeJS.ProcessEnv): Promise<string | undefined> {
  const folders = [...FOLDERS, ...PATH.split(delimiter)].filter((folder) => folder !== '');
  for (const file of folders.flatMap((folder) => names.map((name) => join(folder, name)))) {
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

export async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Returns what to say when there is still no such program afterwards. */
async function install({ title, names, packages }: WantedProgram): Promise<string> {
  if (process.getuid?.() !== 0) return `no ${title} found, and only root may install it`;
  if (!(await isExecutable('/usr/bin/apt-get'))) return `no ${title} found, and no apt-get to install it with`;
  process.stderr.write(`installing ${packages.join(' and ')} with apt-get, once ...\n`);
  for (const command of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const code = await aptGet(command);
    if (code !== 0) return `no ${title} found, and apt-get ${command[0]} ended with exit code ${code}`;
  }
  return `apt-get installed no program that is called ${names.join(' or ')}`;
}

async function aptGet(command: readonly string[]): Promise<number | null> {
  const child = spawn('apt-get', ['-q', ...command], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    // Progress is for the person who waits: standard output may be somebody's data.
    stdio: ['ignore', process.stderr, process.stderr],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

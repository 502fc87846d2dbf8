import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** A browser, or one line that says why there is none and how to get one. */
export type Chromium = { readonly file: string } | { readonly missing: string };

const NAMES = ['chromium', 'google-chrome'];
const PACKAGES = ['chromium', 'fonts-liberation'];
const HOW_TO_GET_IT =
  'install it (Debian: apt-get install chromium), or set CHROMIUM to the program of Chromium or Chrome';

/** CHROMIUM, then the PATH, then Debian's package, installed now when this process may do so. */
export async function findChromium(environment: NodeJS.ProcessEnv = process.env): Promise<Chromium> {
  const given = environment.CHROMIUM;
  if (given) {
    if (await isExecutable(given)) return { file: given };
    return { missing: `CHROMIUM is ${given}, which is no program: ${HOW_TO_GET_IT}` };
  }
  const found = await findOnPath(environment);
  if (found !== undefined) return { file: found };
  const failure = await install();
  const installed = await findOnPath(environment);
  return installed === undefined ? { missing: `${failure}: ${HOW_TO_GET_IT}` } : { file: installed };
}

async function findOnPath({ PATH = '' }: NodeJS.ProcessEnv): Promise<string | undefined> {
  const folders = ['/usr/bin', ...PATH.split(delimiter)].filter((folder) => folder !== '');
  for (const file of folders.flatMap((folder) => NAMES.map((name) => join(folder, name)))) {
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Returns what to say when there is still no browser afterwards. */
async function install(): Promise<string> {
  if (process.getuid?.() !== 0) return 'no Chromium found, and only root may install it';
  if (!(await isExecutable('/usr/bin/apt-get'))) return 'no Chromium found, and no apt-get to install it with';
  process.stderr.write(`browser: installing ${PACKAGES.join(' and ')} with apt-get, once ...\n`);
  for (const command of [['update'], ['install', '-y', '--no-install-recommends', ...PACKAGES]]) {
    const code = await aptGet(command);
    if (code !== 0) return `no Chromium found, and apt-get ${command[0]} ended with exit code ${code}`;
  }
  return 'apt-get installed no program that is called chromium';
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

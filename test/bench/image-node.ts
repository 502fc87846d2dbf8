import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached } from '../control-plane/build-cache.ts';
import { startProcess } from '../control-plane/process.ts';
import type { RunDirectory } from '../control-plane/run-directory.ts';

/** The Node that the image has: what is measured on another one says little of what runs in a cluster. */
export interface ImageNode {
  readonly file: string;
  /** For example `v24.22.3`. */
  readonly version: string;
}

const FOLDER = fileURLToPath(new URL('node', import.meta.url));
/** The version and the sums of both packages are pinned here; no script of a package runs. */
const MANIFESTS = ['package.json', 'package-lock.json'] as const;

/** Finds it in the cache, or installs it from the registry of npm, which has the program for each platform. */
export async function findImageNode(): Promise<ImageNode> {
  const name = `node-${process.platform}-${process.arch}`;
  const manifest = JSON.parse(await readFile(join(FOLDER, 'package.json'), 'utf8')) as {
    optionalDependencies: Readonly<Record<string, string>>;
  };
  const version = manifest.optionalDependencies[name];
  if (version === undefined) {
    const known = Object.keys(manifest.optionalDependencies).join(' or ');
    throw new Error(`find the Node of the image: expected a platform of ${known}, found ${name}`);
  }
  const file = await cached({
    title: `Node ${version}`,
    path: `node/${version}-${process.arch}/node`,
    duration: '10 seconds',
    start: async (run) => ({ compiler: await install(run), product: `${run.path}/node_modules/${name}/bin/node` }),
  });
  return { file, version: `v${version}` };
}

async function install(run: RunDirectory) {
  for (const manifest of MANIFESTS) await copyFile(join(FOLDER, manifest), join(run.path, manifest));
  return startProcess({
    name: 'npm',
    program: { file: 'npm', prefix: [] },
    arguments: ['ci', '--ignore-scripts', '--no-audit', '--no-fund'],
    run,
    environment: process.env,
  });
}

import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, type Compilation } from './build-cache.ts';
import { startProcess } from './process.ts';
import type { RunDirectory } from './run-directory.ts';

/** A folder with a go.mod beside this file, and what `go build` makes of it. */
export interface Build {
  readonly title: string;
  readonly folder: 'kubernetes' | 'consul' | 'helm' | 'actionlint';
  readonly package: string;
  /** The module whose version is the version of the whole. */
  readonly module: string;
  /** How long a build from nothing takes on two cores. */
  readonly minutes: number;
  readonly linkerFlags: (version: string) => readonly string[];
}

/** The path of the built program: from the cache, or built now and kept in the cache. */
export async function build(what: Build): Promise<string> {
  const { version, hash } = await readSource(what);
  return cached({
    title: `${what.title} ${version}`,
    path: join('control-plane', `${what.folder}-${version}-${hash}`, what.folder),
    duration: `${what.minutes} minutes`,
    start: (run) => startGo(what, version, run),
  });
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

async function startGo(what: Build, version: string, run: RunDirectory): Promise<Compilation> {
  const product = join(run.path, what.folder);
  const flags = [
    '-mod=readonly',
    '-buildvcs=false',
    '-trimpath',
    '-ldflags',
    ['-s', '-w', ...what.linkerFlags(version)].join(' '),
  ];
  try {
    const compiler = await startProcess({
      name: 'go',
      program: { file: 'go', prefix: [] },
      arguments: ['build', ...flags, '-o', product, what.package],
      run,
      environment: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' },
      directory: folderOf(what),
    });
    return { compiler, product };
  } catch (cause) {
    throw new Error(
      'Cannot build the control plane of the tests: no Go toolchain. Either install Go 1.26 or later, or set ' +
        'KUBEBUILDER_ASSETS (a folder with etcd, kube-apiserver and kube-controller-manager, and with kube-proxy for ' +
        'the end-to-end tests) and CONSUL_BIN (the consul program).',
      { cause },
    );
  }
}

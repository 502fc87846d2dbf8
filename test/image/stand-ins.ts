import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached } from '../control-plane/build-cache.ts';
import { startProcess } from '../control-plane/index.ts';
import { findImageNode } from '../bench/image-node.ts';
import type { Buildah } from './buildah.ts';
import { command } from './command.ts';

/** What stands for the two images that the Dockerfile begins with, which come from registries that a test does not ask. */
export interface StandIns {
  readonly build: string;
  readonly base: string;
}

interface System {
  readonly name: string;
  /** Of mmdebstrap: the essential packages of Debian, or only what these packages need, unpacked, without a shell. */
  readonly options: readonly string[];
}

const BUILD: System = { name: 'build', options: ['--variant=minbase'] };
const BASE: System = { name: 'base', options: ['--variant=extract', '--include=libc6,libstdc++6'] };
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Debian's packages, Node from npm's registry, and the npm of this machine. */
export async function makeStandIns(buildah: Buildah): Promise<StandIns> {
  const { file: node } = await findImageNode();
  const [build, base] = [await systemOf(BUILD), await systemOf(BASE)];
  return { build: await makeBuild(buildah, build, node), base: await makeBase(buildah, base, node) };
}

/** Like `node:24-trixie-slim`: a Debian with Node and npm. */
async function makeBuild(buildah: Buildah, system: string, node: string): Promise<string> {
  const npm = dirname(dirname(await command('readlink', ['-f', await command('which', ['npm'])])));
  return buildah.imageOf('stand-in-build', async (container) => {
    await buildah.call('add', '--quiet', container, system, '/');
    await buildah.call('copy', '--quiet', '--chmod', '0755', container, node, '/usr/local/bin/node');
    await buildah.call('copy', '--quiet', container, npm, '/usr/local/lib/node_modules/npm');
    await buildah.call(
      ...['run', '--isolation', 'chroot', container, '--'],
      ...['ln', '-s', '/usr/local/lib/node_modules/npm/bin/npm-cli.js', '/usr/local/bin/npm'],
    );
    await buildah.call('config', '--env', PATH, container);
  });
}

/** Like the base image: Node, its libraries, and nothing else. */
function makeBase(buildah: Buildah, system: string, node: string): Promise<string> {
  return buildah.imageOf('stand-in-base', async (container) => {
    await buildah.call('add', '--quiet', container, system, '/');
    await buildah.call('copy', '--quiet', '--chmod', '0755', container, node, '/nodejs/bin/node');
    await buildah.call('config', '--env', PATH, '--entrypoint', '["/nodejs/bin/node"]', container);
  });
}

/** A file system of the Debian that runs here, in an archive, which is kept in the cache. */
async function systemOf({ name, options }: System): Promise<string> {
  const release = /^VERSION_CODENAME=(\S+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (release === undefined) throw new Error('read /etc/os-release: expected VERSION_CODENAME, found none');
  return cached({
    title: `the ${name} system of Debian ${release}`,
    path: `image/${release}-${process.arch}/${name}.tar`,
    duration: '1 minute',
    start: async (run) => {
      const product = join(run.path, `${name}.tar`);
      const compiler = await startProcess({
        name: 'mmdebstrap',
        program: { file: 'mmdebstrap', prefix: ['--mode=root', ...options] },
        arguments: [release, product],
        run,
        environment: process.env,
      });
      return { compiler, product };
    },
  });
}

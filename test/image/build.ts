import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunDirectory } from '../control-plane/index.ts';
import { ROOT } from '../rig/manifests.ts';
import { Buildah } from './buildah.ts';
import { command } from './command.ts';
import { makeStandIns } from './stand-ins.ts';

/** What an image says about itself, of which a container is made. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
}

export interface Image {
  readonly config: ImageConfig;
  /** A folder with its files. */
  readonly root: string;
  /** The file system that it was made from, to compare with. */
  readonly baseRoot: string;
}

const NAME = 'consular-test';

/** Builds deploy/Dockerfile as it is, on stand-ins for the images that it names. */
export async function buildImage(run: RunDirectory): Promise<Image> {
  const buildah = new Buildah(run);
  const { build, base } = await makeStandIns(buildah);
  await buildah.call(
    ...['build', '--isolation', 'chroot', '--pull-never', '--network', 'host'],
    ...['--build-arg', `BUILD_IMAGE=${build}`, '--build-arg', `BASE_IMAGE=${base}`],
    ...(await settingsOfNpm()),
    ...['--file', join(ROOT, 'deploy/Dockerfile'), '--ignorefile', join(ROOT, 'deploy/Dockerfile.dockerignore')],
    ...['--tag', NAME, ROOT],
  );
  const { OCIv1 } = JSON.parse(await buildah.call('inspect', '--type', 'image', NAME)) as {
    OCIv1: { config: ImageConfig };
  };
  return { config: OCIv1.config, root: await rootOf(buildah, NAME), baseRoot: await rootOf(buildah, base) };
}

async function rootOf(buildah: Buildah, image: string): Promise<string> {
  return buildah.call('mount', await buildah.call('from', '--pull-never', image));
}

/** The registry that npm asks on this machine, and whom it trusts, at the places where the npm of the build looks for them. */
async function settingsOfNpm(): Promise<string[]> {
  const user = await command('npm', ['config', 'get', 'userconfig'], ROOT);
  const machine = await command('npm', ['config', 'get', 'globalconfig'], ROOT);
  const authorities = process.env.NODE_EXTRA_CA_CERTS;
  const wanted = [
    [user, '/root/.npmrc'],
    [machine, '/usr/local/etc/npmrc'],
    ...(authorities === undefined ? [] : [[authorities, authorities]]),
  ] as const;
  const there = await Promise.all(wanted.map(async (pair) => ((await exists(pair[0] ?? '')) ? [pair] : [])));
  const volumes = there.flat().flatMap(([from = '', to = '']) => ['--volume', `${from}:${to}:ro`]);
  return authorities === undefined ? volumes : [...volumes, '--env', `NODE_EXTRA_CA_CERTS=${authorities}`];
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
